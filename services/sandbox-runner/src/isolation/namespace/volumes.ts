import fs from 'node:fs/promises';
import path from 'node:path';
import type { DiskImages } from './disks.js';

/** A volume is used by another sandbox; only one may have it at a time. */
export class VolumeBusy extends Error {
  constructor(readonly volume: string) {
    super(`the volume ${volume} is in use by another sandbox`);
    this.name = 'VolumeBusy';
  }
}

/** Folders that outlive sandboxes: images of a fixed size, each mounted by at most one sandbox at a time. */
export class Volumes {
  private readonly used = new Set<string>();

  constructor(
    private readonly folder: string,
    private readonly images: DiskImages,
    private readonly sizeMib: number,
  ) {}

  /** The image of a volume, made if it is not there yet, until `release`. Throws `VolumeBusy`. */
  async take(volume: string): Promise<string> {
    if (this.used.has(volume)) throw new VolumeBusy(volume);
    this.used.add(volume);
    try {
      const image = path.join(this.folder, `${Buffer.from(volume).toString('hex')}.ext4`);
      await fs.mkdir(this.folder, { recursive: true, mode: 0o700 });
      const exists = await fs.access(image).then(
        () => true,
        () => false,
      );
      if (!exists) {
        await this.images.create(`${image}.new`, this.sizeMib);
        await fs.rename(`${image}.new`, image);
      }
      return image;
    } catch (error) {
      this.release(volume);
      throw error;
    }
  }

  release(volume: string): void {
    this.used.delete(volume);
  }
}
