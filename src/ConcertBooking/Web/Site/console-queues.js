// Every queue as it is now, and the two numbers that decide how fast people are let in.
import { h, replace, setText } from './dom.js';
import { number, span, t } from './i18n.js';
import { asUser } from './session.js';
import { Live, Pages } from './console-live.js';
import { Setting, steps } from './console-setting.js';

const rateMilliseconds = 3000; // over which admissions are counted
const maxActive = 1_000_000, maxRate = 100_000;
const places = steps(maxActive), rates = [...steps(maxRate), 0]; // the slider's right end is "no limit", which the API calls 0

export async function queuesView(_, signal) {
  const cards = new Map();
  const list = h('ul', { class: 'queues' });
  const pages = new Pages(() => live.refresh());
  const live = new Live(
    async () => (await asUser('GET', `/v1/admin/queues?limit=20${pages.query}`, { signal })).body,
    ({ items, nextCursor }, askedAt) => {
      const names = items.map(item => item.queue);
      if (names.join() !== [...list.children].map(card => card.dataset.queue).join()) {
        replace(list, items.length === 0 ? h('li', { class: 'placeholder' }, t('queues.none')) : names.map(name => {
          cards.has(name) || cards.set(name, new QueueCard(name, () => live.refresh()));
          return cards.get(name).element;
        }));
      }

      items.forEach(item => cards.get(item.queue).update(item, askedAt));
      pages.update(nextCursor);
    },
    signal);
  await live.start();
  return {
    title: t('nav.queues'),
    element: h('div', null,
      h('div', { class: 'hero' }, h('h1', null, t('nav.queues')), h('p', null, t('queues.lead'))), live.element, list, pages.element),
  };
}

class QueueCard {
  #samples = [];

  constructor(name, onChange) {
    const id = `queue-${name}`;
    const put = async change => {
      const { body } = await asUser('PUT', `/v1/admin/queues/${name}`, { body: change });
      onChange();
      return body;
    };
    const figure = key => {
      const value = h('dd');
      return { value, element: h('div', { class: 'figure' }, h('dt', null, t(key)), value) };
    };
    this.figures = {
      waiting: figure('queue.waiting'), active: figure('queue.active'), rate: figure('queue.rate'), eta: figure('queue.eta-now'),
    };
    this.places = new Setting({
      id: `${id}-active`, label: t('queue.max-active'), hint: t('queue.max-active-hint'), values: places, min: 1, max: maxActive,
      say: value => t('queue.people', { n: value }), save: async value => (await put({ maxActive: value })).maxActive,
    });
    this.rate = new Setting({
      id: `${id}-rate`, label: t('queue.max-rate'), hint: t('queue.max-rate-hint'), values: rates, min: 0, max: maxRate,
      say: value => value === 0 ? t('queue.no-limit') : t('queue.per-second', { n: value }),
      save: async value => (await put({ admitPerSecond: value })).admitPerSecond ?? 0,
    });
    this.element = h('li', { class: 'card queue', 'data-queue': name },
      h('h2', { id }, name),
      h('dl', { class: 'figures', 'aria-labelledby': id }, Object.values(this.figures).map(item => item.element)),
      h('div', { class: 'settings', role: 'group', 'aria-labelledby': id }, this.places.element, this.rate.element));
  }

  update(item, askedAt) {
    setText(this.figures.waiting.value, number(item.waiting));
    setText(this.figures.active.value, t('queue.active-of', { active: item.active, of: item.maxActive }));
    setText(this.figures.rate.value, this.#pace(item));
    setText(this.figures.eta.value, item.etaSeconds === null ? t('queue.eta-none-yet')
      : item.etaSeconds === 0 ? t('queue.eta-at-once') : span(item.etaSeconds * 1000));
    this.places.update(item.maxActive, askedAt);
    this.rate.update(item.admitPerSecond, askedAt);
  }

  /** Counted by the clock of the queue, so that a late answer changes nothing. */
  #pace(item) {
    const now = { at: Date.parse(item.countedAt), admitted: item.admitted };
    const last = this.#samples.at(-1);
    if (last && (now.admitted < last.admitted || now.at - last.at > 5 * rateMilliseconds)) {
      this.#samples = []; // the queue's data began anew, or nobody looked for a while
    }

    this.#samples.push(now);
    while (this.#samples.length > 2 && now.at - this.#samples[1].at >= rateMilliseconds) {
      this.#samples.shift();
    }

    const first = this.#samples[0];
    return now.at - first.at < 300 ? '…' : number(Math.round((now.admitted - first.admitted) / (now.at - first.at) * 10_000) / 10);
  }
}
