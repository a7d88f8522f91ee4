// One show on its way to a hold: not open yet, entering the line, waiting, admitted and choosing seats.
import { now, service, Problem } from './api.js';
import { h, replace, repeat, announce, errorBox, setText } from './dom.js';
import { dateTime, digits, money, span, t } from './i18n.js';
import * as catalogue from './catalogue.js';
import * as queue from './queue.js';
import { signInPanel } from './sign-in.js';
import { SignInNeeded, user } from './session.js';
import { showHead } from './show-head.js';
import { words } from './problems.js';
import { chooseView } from './view-choose.js';

export async function showView(scheduleId, signal) {
  const plan = await catalogue.plan(scheduleId, signal);
  const queueName = await catalogue.queueOf(plan.concertId, signal);
  const stage = h('div', { class: 'stage' });
  const element = h('div', null, showHead(plan, '#/', t('back.shows')), stage);
  const visit = new Visit(plan, queueName, stage, signal);
  // Not awaited: the view is shown first, and then moves on by itself.
  queueMicrotask(() => visit.start());
  return { title: plan.title, element };
}

class Visit {
  #phase = new AbortController();

  constructor(plan, queueName, stage, signal) {
    Object.assign(this, { plan, queueName, stage, signal });
    signal.addEventListener('abort', () => this.#phase.abort());
  }

  async start() {
    await this.#guard(async signal => {
      if (Date.parse(this.plan.startsAt) <= now() || (this.plan.salesCloseAt && Date.parse(this.plan.salesCloseAt) <= now())) {
        this.#show(h('section', { class: 'card narrow' }, h('h2', null, t('sale.over')), h('p', null, t('sale.over-text'))));
      } else if (this.plan.salesOpenAt && Date.parse(this.plan.salesOpenAt) > now()) {
        this.#countDown(signal);
      } else if (queue.tokenOf(this.queueName) && user()) {
        await this.#wait(signal);
      } else {
        this.#invite();
      }
    });
  }

  /** A new phase ends what the one before has running; what fails is said in place, with a way on. */
  async #guard(action) {
    this.#phase.abort();
    this.#phase = new AbortController();
    const { signal } = this.#phase;
    if (this.signal.aborted) {
      return;
    }

    try {
      await action(signal);
    } catch (error) {
      if (signal.aborted) {
        return;
      }

      if (error instanceof SignInNeeded) {
        this.#show(signInPanel(() => this.#enter()));
      } else {
        if (!(error instanceof Problem)) {
          console.error(error);
        }

        this.#show(errorBox(words(error), h('button', { type: 'button', onclick: () => this.start() }, t('try-again'))));
      }
    }
  }

  /** A focus that would be lost with what was shown goes to the heading of what is shown now. */
  #show(...content) {
    const had = this.stage.contains(document.activeElement);
    replace(this.stage, ...content);
    const heading = this.stage.querySelector('h2');
    if (had && heading) {
      heading.tabIndex = -1;
      heading.focus();
    }
  }

  #countDown(signal) {
    const opens = Date.parse(this.plan.salesOpenAt);
    const clock = h('p', { class: 'big', role: 'timer', 'aria-live': 'off' });
    this.#show(h('section', { class: 'card narrow center' },
      h('h2', null, t('sale.opens')), clock, h('p', null, h('time', { datetime: this.plan.salesOpenAt }, dateTime(this.plan.salesOpenAt))),
      h('p', { class: 'hint' }, t('sale.opens-text'))));
    repeat(() => {
      setText(clock, span(opens - now()));
      if (opens <= now() && !signal.aborted) {
        announce(t('sale.open-now'), true);
        this.start();
      }
    }, 250, signal);
  }

  #invite() {
    const prices = this.plan.grades.map(({ grade, price }) =>
      h('li', null, h('span', null, grade || t('grade.one')), h('strong', null, money(price))));
    this.#show(h('section', { class: 'card narrow' },
      h('h2', null, t('enter.title')), h('p', null, t('enter.text')), h('ul', { class: 'prices' }, prices),
      this.plan.maxPerUser ? h('p', { class: 'hint' }, t('enter.limit', { n: this.plan.maxPerUser })) : null,
      h('button', { type: 'button', class: 'primary wide', onclick: () => this.#enter() }, t('enter.go'))));
  }

  #enter() {
    return this.#guard(async signal => {
      await queue.enter(this.queueName, signal);
      await this.#wait(signal);
    });
  }

  async #wait(signal) {
    let board = null;
    await queue.watch(this.queueName, place => {
      if (signal.aborted) {
        return;
      }

      if (!place) {
        announce(t('queue.ended'), true);
        this.#invite();
        this.stage.prepend(errorBox(t('queue.ended')));
      } else if (place.status === 'ACTIVE') {
        if (board) {
          announce(t('queue.admitted'), true);
        }

        this.#choose(place);
      } else {
        board ??= this.#board();
        board(place);
      }
    }, signal);
  }

  /** The waiting board: only a position that has changed much is spoken. */
  #board() {
    const position = h('p', { class: 'big' });
    const eta = h('p', { class: 'eta' });
    const bar = h('progress', { 'aria-label': t('queue.progress') });
    let first = null, spoken = Infinity;
    this.#show(h('section', { class: 'card narrow center' },
      h('h2', null, t('queue.title')), h('p', null, t('queue.your-position')), position, bar, eta,
      h('p', { class: 'hint' }, t('queue.stay')),
      h('button', { type: 'button', class: 'quiet', onclick: () => this.#leave() }, t('queue.leave'))));
    return place => {
      first ??= place.position;
      setText(position, t('queue.position', { n: place.position }));
      setText(eta, place.etaSeconds === null ? t('queue.eta-unknown') : t('queue.eta', { span: span(place.etaSeconds * 1000) }));
      bar.max = first;
      bar.value = Math.max(0, first - place.position);
      document.title = `${t('queue.position', { n: place.position })} · ${this.plan.title}`;
      if (place.position <= spoken * 0.8 || place.position <= 3 && place.position !== spoken) {
        spoken = place.position;
        announce(`${t('queue.your-position')} ${position.textContent}. ${eta.textContent}`);
      }
    };
  }

  async #leave() {
    this.#phase.abort();
    await queue.leave(this.queueName);
    await this.start();
  }

  #choose(place) {
    document.title = `${this.plan.title} · ${t('brand')}`;
    this.#guard(async signal => {
      const left = h('p', { class: 'admission' });
      const ends = Date.parse(place.expiresAt);
      const content = await chooseView({
        plan: this.plan, queueName: this.queueName, signal, maxSeats: service.maxSeats,
        onLost: () => this.start(),
      });
      this.#show(left, content);
      let warned = false;
      repeat(() => {
        setText(left, t('admission.left', { time: digits(ends - now()) }));
        if (!warned && ends - now() < 60_000) {
          warned = true;
          announce(t('admission.ending'), true);
        }

        if (ends <= now() && !signal.aborted) {
          queue.forget(this.queueName);
          this.#guard(() => {
            this.#invite();
            this.stage.prepend(errorBox(t('admission.ended')));
          });
        }
      }, 1000, signal);
    });
  }
}
