// What is shown live: read once a second while the page is in view, more seldom while that fails, and said when it is old.
import { Problem } from './api.js';
import { h, pause, setText } from './dom.js';
import { current, t } from './i18n.js';
import { words } from './problems.js';

const everyMilliseconds = 1000, slowestMilliseconds = 10_000, oldMilliseconds = 4000;

export class Live {
  #asked = new EventTarget();
  #again = false;
  #readAt = Date.now();
  #error = null;

  /**
   * @param read `signal => data`, or a promise of it
   * @param show `(data, askedAt) => void`; askedAt is when the reading began, by performance.now()
   */
  constructor(read, show, signal) {
    Object.assign(this, { read, show, signal });
    this.element = h('p', { class: 'notice old', hidden: true });
  }

  /** Reads once, and after that again and again. That nobody may read this is thrown; what may pass by itself is shown. */
  async start() {
    try {
      await this.#once();
    } catch (error) {
      if (!(error instanceof Problem) || error.status < 500) {
        throw error;
      }

      [this.#readAt, this.#error] = [0, error];
      this.#drawAge();
    }

    this.#run().catch(error => this.signal.aborted || console.error(error));
    const watch = setInterval(() => this.#drawAge(), 1000);
    this.signal.addEventListener('abort', () => clearInterval(watch));
    return this;
  }

  /** Something was changed here: reads at once. */
  refresh() {
    this.#again = true;
    this.#asked.dispatchEvent(new Event('now'));
  }

  async #once() {
    const askedAt = performance.now();
    this.#again = false;
    const data = await this.read(this.signal);
    this.signal.throwIfAborted();
    this.#readAt = Date.now();
    this.#error = null;
    this.show(data, askedAt);
    this.#drawAge();
  }

  async #run() {
    for (let failures = 0; ;) {
      if (!this.#again) {
        await pause(Math.min(slowestMilliseconds, everyMilliseconds * 2 ** failures), this.signal, [[this.#asked, 'now']]);
      }

      while (document.visibilityState === 'hidden') {
        await pause(60_000, this.signal, [[document, 'visibilitychange']]);
        this.#readAt = Math.max(this.#readAt, Date.now() - oldMilliseconds); // old because nobody looked is no fault
      }

      try {
        await this.#once();
        failures = 0;
      } catch (error) {
        this.signal.throwIfAborted();
        failures++;
        this.#error = error;
        this.#drawAge();
      }
    }
  }

  #drawAge() {
    const old = Date.now() - this.#readAt > oldMilliseconds && document.visibilityState === 'visible';
    if (old || !this.#error) {
      this.element.hidden = !old;
    }

    if (old) {
      const time = new Intl.DateTimeFormat(current(), { timeStyle: 'medium' }).format(this.#readAt);
      const since = this.#readAt ? t('live.old', { time }) : t('live.none');
      setText(this.element, `${since} ${this.#error ? words(this.#error) : ''}`);
    }
  }
}

/** One page of a list at a time: `cursor` is of the one that is shown. */
export class Pages {
  #before = [];
  cursor = null;

  /** @param onTurn called when another page is to be shown */
  constructor(onTurn) {
    this.back = h('button', { type: 'button', class: 'quiet', onclick: () => this.#turn(this.#before.pop(), onTurn) }, t('pages.back'));
    this.on = h('button', {
      type: 'button', class: 'quiet', onclick: () => {
        this.#before.push(this.cursor);
        this.#turn(this.next, onTurn);
      },
    }, t('pages.next'));
    this.element = h('nav', { class: 'actions', 'aria-label': t('pages.label') }, this.back, this.on);
    this.update(null);
  }

  get query() {
    return this.cursor ? `&cursor=${encodeURIComponent(this.cursor)}` : '';
  }

  update(next) {
    this.next = next;
    [this.back.disabled, this.on.disabled] = [this.#before.length === 0, !next];
    this.element.hidden = this.back.disabled && this.on.disabled;
  }

  #turn(cursor, onTurn) {
    this.cursor = cursor;
    onTurn();
  }
}
