import { Fifo } from '../domain/fifo.js';

/** What stands in a line at one place: done at once. */
interface Place<T> {
  readonly items: T[];
  readonly together: boolean;
  /** Of the items, those that are not done. */
  left: number;
}

/** Things to do, in lines: of one line one after another, neighbours that may go together at once; of different lines at once anyway. */
export class Lines<T> {
  private readonly lines = new Map<string, Fifo<Place<T>>>();
  private readonly ends = new Map<string, Place<T>>();

  add(line: string, item: T, together: boolean): void {
    const end = this.ends.get(line);
    if (end?.together && together) {
      end.items.push(item);
      end.left++;
      return;
    }
    const place = { items: [item], together, left: 1 };
    const places = this.lines.get(line) ?? new Fifo();
    places.push(place);
    this.lines.set(line, places);
    this.ends.set(line, place);
  }

  /**
   * Does everything, so many at once. Nothing new is begun after something that could not be done.
   * @returns whether all of it was done
   */
  work(atOnce: number, act: (item: T) => Promise<boolean>): Promise<boolean> {
    const ready = new Fifo<[item: T, line: Fifo<Place<T>>]>();
    const come = (line: Fifo<Place<T>>) => line.first?.items.forEach((item) => ready.push([item, line]));
    for (const line of this.lines.values()) come(line);
    let running = 0;
    let stopped = false;
    return new Promise((resolve, reject) => {
      const done = (line: Fifo<Place<T>>, well: boolean) => {
        running--;
        stopped ||= !well;
        const place = line.first as Place<T>;
        if (--place.left === 0) {
          line.shift();
          come(line);
        }
        next();
      };
      const next = () => {
        while (!stopped && running < atOnce) {
          const one = ready.shift();
          if (!one) break;
          const [item, line] = one;
          running++;
          act(item).then((well) => done(line, well), reject);
        }
        if (running === 0) resolve(!stopped);
      };
      next();
    });
  }
}
