// The seats that somebody is about to hold; kept over a reload.

/** Fires `change` with `detail`: the seat numbers that were added or removed. */
export class Selection extends EventTarget {
  #seats = new Map();
  #slot;

  constructor(hall, limit) {
    super();
    this.limit = limit;
    this.#slot = `cb.chosen.${hall.plan.scheduleId}`;
    for (const seatNo of JSON.parse(sessionStorage.getItem(this.#slot) ?? '[]')) {
      const seat = hall.seat(seatNo);
      if (seat && this.#seats.size < limit) {
        this.#seats.set(seatNo, seat);
      }
    }
  }

  get size() {
    return this.#seats.size;
  }

  get seats() {
    return [...this.#seats.values()].sort((a, b) => a.seatNo - b.seatNo);
  }

  get total() {
    return this.seats.reduce((sum, seat) => sum + seat.section.price, 0);
  }

  has(seatNo) {
    return this.#seats.has(seatNo);
  }

  /** False: it would be one too many. */
  add(seat) {
    if (this.#seats.size >= this.limit) {
      return false;
    }

    this.#seats.set(seat.seatNo, seat);
    this.#changed([seat.seatNo]);
    return true;
  }

  remove(...seatNos) {
    const there = seatNos.filter(seatNo => this.#seats.delete(seatNo));
    if (there.length > 0) {
      this.#changed(there);
    }
  }

  clear() {
    this.remove(...this.#seats.keys());
  }

  #changed(seatNos) {
    sessionStorage.setItem(this.#slot, JSON.stringify([...this.#seats.keys()]));
    this.dispatchEvent(new CustomEvent('change', { detail: seatNos }));
  }
}
