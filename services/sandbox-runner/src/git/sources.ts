import { refuse } from '@writ/ledger/domain';
import type { Destination, Outbound } from '@writ/platform';
import fs from 'node:fs';
import path from 'node:path';

/**
 * Where repositories may be imported from: prefixes of absolute paths and of http(s) URLs, separated by commas. A path
 * allows everything in it, but what the runner keeps for all tenants.
 */
export class Sources {
  private readonly folders: readonly string[];
  private readonly urls: readonly string[];

  constructor(
    allowed: string,
    private readonly outbound: Outbound,
    /** Where the runner keeps its own. */
    private readonly own: string,
  ) {
    const entries = allowed.split(',').map((entry) => entry.trim());
    this.folders = entries.filter((entry) => entry.startsWith('/'));
    this.urls = entries.filter((entry) => /^https?:\/\//.test(entry));
  }

  /** The source as Git may be given it. Throws `artifact.source_refused`. */
  check(source: string): string {
    if (source.includes('\0')) throw refused(source.replaceAll('\0', '\ufffd'), 'it contains a NUL character');
    return /^https?:/.test(source) ? this.checkUrl(source) : this.checkPath(source);
  }

  /** Where a source is now; undefined for a folder. @throws DomainError `outbound.*` */
  async locate(source: string): Promise<Destination | undefined> {
    return /^https?:/.test(source) ? this.outbound.check(source) : undefined;
  }

  private checkUrl(source: string): string {
    const url = URL.canParse(source) ? new URL(source) : undefined;
    if (url === undefined) throw refused(source, 'it is not a URL');
    if (url.username !== '' || url.password !== '')
      throw refused(
        `${url.protocol}//${url.host}${url.pathname}`,
        'credentials do not belong into a URL, which is recorded',
      );
    url.hostname = url.hostname.replace(/\.$/, ''); // one name for one host
    // A prefix ends at a slash: `https://good.example` does not allow `https://good.example.evil`.
    const allowed = this.urls.some((prefix) => {
      const base = /^https?:\/\/$/.test(prefix) || prefix.endsWith('/') ? prefix : `${prefix}/`;
      return `${url.href}/`.startsWith(base);
    });
    if (!allowed) throw refused(source, 'the operator allows no such URL (WRIT_ARTIFACT_SOURCES)');
    return url.href;
  }

  private checkPath(source: string): string {
    if (!path.isAbsolute(source)) throw refused(source, 'a path must be absolute');
    let real: string;
    try {
      real = fs.realpathSync(source);
    } catch {
      throw refused(source, 'there is nothing there');
    }
    if (isIn(this.own, real) || !this.folders.some((folder) => isIn(folder, real)))
      throw refused(source, 'the operator allows no such folder (WRIT_ARTIFACT_SOURCES)');
    return real;
  }
}

function isIn(folder: string, real: string): boolean {
  const relative = path.relative(fs.existsSync(folder) ? fs.realpathSync(folder) : folder, real);
  return relative === '' || (relative !== '..' && !relative.startsWith('../') && !path.isAbsolute(relative));
}

const refused = (source: string, why: string): Error =>
  refuse('artifact.source_refused', `${source}: ${why}`, { source });
