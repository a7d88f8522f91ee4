// The states of a schedule's seats as they change: by the event stream where the service has one, else by asking once a second.
import { setReachable } from './api.js';
import { read } from './catalogue.js';
import { pause } from './dom.js';

const letters = { AVAILABLE: 'A', HELD: 'H', SOLD: 'S', BLOCKED: 'B' };
const pollMilliseconds = 1000;

/** Fires `change` with `detail`: the seat numbers that changed, or null when all may have. */
export class SeatFeed extends EventTarget {
  #states = [];
  #scheduleId;
  #signal;
  #stream = null;
  available = 0;
  /** False until the first list is here. */
  ready = false;

  constructor(scheduleId, signal) {
    super();
    this.#scheduleId = scheduleId;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#stream?.close());
  }

  /** A letter: A available, H held, S sold, B blocked. */
  state(seatNo) {
    return this.#states[seatNo - 1] ?? 'B';
  }

  async run() {
    let streams = true;
    for (let polls = 1; !this.#signal.aborted; polls++) {
      if (document.visibilityState === 'hidden') {
        await pause(60_000, this.#signal, [[document, 'visibilitychange']]);
        continue;
      }

      if (streams) {
        streams = await this.#follow();
      } else {
        await this.#poll();
        await pause(pollMilliseconds, this.#signal);
        streams = polls % 60 === 0; // it may have been refused for a while only
      }
    }
  }

  /** Listens until the page is hidden or the stream is refused. False: the service has no stream, or it cannot be had now. */
  #follow() {
    return new Promise(resolve => {
      const stream = this.#stream = new EventSource(`/v1/schedules/${this.#scheduleId}/seats/events`);
      const end = again => {
        stream.close();
        document.removeEventListener('visibilitychange', hidden);
        resolve(again);
      };
      const hidden = () => document.visibilityState === 'hidden' && end(true);
      document.addEventListener('visibilitychange', hidden);
      this.#signal.addEventListener('abort', () => end(true), { once: true });
      stream.addEventListener('snapshot', event => {
        const { states, availableSeats } = JSON.parse(event.data);
        this.#replace([...states], availableSeats);
      });
      stream.addEventListener('delta', event => {
        const { seats, availableSeats } = JSON.parse(event.data);
        seats.forEach(([seatNo, letter]) => { this.#states[seatNo - 1] = letter; });
        this.#changed(availableSeats, seats.map(([seatNo]) => seatNo));
      });
      // The browser connects again by itself, unless it was refused.
      stream.addEventListener('open', () => setReachable(true));
      stream.addEventListener('error', () => stream.readyState === EventSource.CLOSED ? end(false) : setReachable(false));
    });
  }

  async #poll() {
    const list = await read(`/v1/schedules/${this.#scheduleId}/seats`, this.#signal);
    if (list === this.last) {
      return;
    }

    this.last = list;
    this.#replace(list.seats.map(seat => letters[seat.status] ?? 'B'), list.availableSeats);
  }

  #replace(states, available) {
    const before = this.#states;
    this.#states = states;
    const changed = [];
    if (this.ready && before.length === states.length) {
      states.forEach((letter, index) => letter !== before[index] && changed.push(index + 1));
    }

    const all = !this.ready || before.length !== states.length;
    this.ready = true;
    if (all || changed.length > 0 || available !== this.available) {
      this.#changed(available, all ? null : changed);
    }
  }

  #changed(available, seatNos) {
    this.available = available;
    this.dispatchEvent(new CustomEvent('change', { detail: seatNos }));
  }
}
