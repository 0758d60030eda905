interface Event<T> {
  readonly atMs: number;
  readonly value: T;
}

/** What will happen, soonest first. */
export class EventHeap<T> {
  readonly #heap: Event<T>[] = [];

  push(atMs: number, value: T): void {
    const event = { atMs, value };
    let hole = this.#heap.length;
    this.#heap.push(event);
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const above = this.#heap[parent] as Event<T>;
      if (above.atMs <= atMs) break;
      this.#heap[hole] = above;
      hole = parent;
    }
    this.#heap[hole] = event;
  }

  /** Takes out what is due first, if that is at or before `limitMs`. */
  dueBefore(limitMs: number): Event<T> | undefined {
    const [first] = this.#heap;
    if (first === undefined || first.atMs > limitMs) return undefined;
    const last = this.#heap.pop() as Event<T>;
    if (this.#heap.length > 0) this.#sink(last);
    return first;
  }

  #sink(event: Event<T>): void {
    let hole = 0;
    for (let child = 1; child < this.#heap.length; child = 2 * hole + 1) {
      const right = this.#heap[child + 1];
      if (right !== undefined && right.atMs < (this.#heap[child] as Event<T>).atMs) child += 1;
      const candidate = this.#heap[child] as Event<T>;
      if (candidate.atMs >= event.atMs) break;
      this.#heap[hole] = candidate;
      hole = child;
    }
    this.#heap[hole] = event;
  }
}
