// One booking: while it is held, the time left, points and payment; afterwards what became of it.
import { now, service, Problem } from './api.js';
import { h, replace, repeat, announce, errorBox, setText } from './dom.js';
import { digits, money, t } from './i18n.js';
import * as bookings from './bookings.js';
import * as catalogue from './catalogue.js';
import { place } from './seat-words.js';
import { SignInNeeded } from './session.js';
import { showHead } from './show-head.js';
import { words } from './problems.js';

const warnings = [60, 30, 10]; // seconds left at which the time is spoken

export async function bookingView(bookingId, signal) {
  const booking = await bookings.get(bookingId, signal);
  const plan = await catalogue.plan(booking.scheduleId, signal);
  const body = h('div');
  const element = h('div', null, showHead(plan, `#/show/${booking.scheduleId}`, t('back.seats')), body);
  const view = new BookingView(plan, body, signal);
  await view.show(booking);
  // Another tab may pay or release it, and a phone may have slept.
  document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && view.refresh(), { signal });
  return { title: t('booking.title'), element };
}

class BookingView {
  #phase = new AbortController();

  constructor(plan, body, signal) {
    Object.assign(this, { plan, body, signal });
    signal.addEventListener('abort', () => this.#phase.abort());
  }

  /** Draws the booking as it now is; what the state before had running ends. */
  async show(booking, ...notices) {
    this.booking = booking;
    this.#phase.abort();
    this.#phase = new AbortController();
    const { signal } = this.#phase;
    const parts = booking.status === 'HELD' && Date.parse(booking.heldUntil) > now()
      ? await this.#held(signal) : this.#settled();
    if (!this.signal.aborted) {
      const had = this.body.contains(document.activeElement);
      replace(this.body, notices, parts);
      if (had) {
        (this.body.querySelector('.result h2') ?? this.body.querySelector('.primary:not([disabled])'))?.focus();
      }
    }
  }

  async refresh(...notices) {
    if (this.busy) {
      return;
    }

    try {
      const booking = await bookings.get(this.booking.bookingId, this.signal);
      if (booking.status !== this.booking.status || booking.heldUntil !== this.booking.heldUntil || notices.length > 0) {
        await this.show(booking, ...notices);
      }
    } catch (error) {
      // What stands here is still true, or the next button says what is wrong.
      if (!this.signal.aborted && !(error instanceof Problem || error instanceof SignInNeeded)) {
        throw error;
      }
    }
  }

  async #held(signal) {
    const balance = await bookings.balance(signal);
    const { booking } = this;
    const message = h('div', { class: 'messages' });
    const missing = Math.max(0, booking.total - balance);
    const pay = h('button', { type: 'button', class: 'primary wide', disabled: missing > 0, onclick: () => this.#pay(message) },
      t('pay.go', { total: money(booking.total) }));
    return [
      this.#clock(signal, message),
      h('div', { class: 'two' },
        h('section', { class: 'card', 'aria-labelledby': 'seats-title' },
          h('h2', { id: 'seats-title' }, t('booking.seats')), seatTable(booking),
          h('button', { type: 'button', class: 'quiet', onclick: event => this.#release(event.target, message) }, t('booking.release'))),
        h('section', { class: 'card', 'aria-labelledby': 'pay-title' }, h('h2', { id: 'pay-title' }, t('pay.title')),
          h('dl', { class: 'sums' },
            h('dt', null, t('pay.total')), h('dd', null, money(booking.total)),
            h('dt', null, t('pay.balance')), h('dd', null, money(balance)),
            missing > 0 ? [h('dt', null, t('pay.missing')), h('dd', { class: 'missing' }, money(missing))] : null),
          missing > 0 ? this.#chargePanel(missing, message) : null,
          message, pay)),
    ];
  }

  #clock(signal, message) {
    const { booking } = this;
    const ends = Date.parse(booking.heldUntil);
    const time = h('strong', { class: 'time', role: 'timer', 'aria-live': 'off' });
    const extend = booking.extensionsLeft > 0
      ? h('button', { type: 'button', onclick: () => this.#extend(extend, message) }, t('hold.extend')) : null;
    const bar = h('div', { class: 'hold-clock' }, h('p', null, t('hold.left'), ' ', time), extend);
    const began = ends - now();
    let next = warnings.findIndex(seconds => seconds * 1000 < began);
    repeat(() => {
      const left = ends - now();
      setText(time, digits(left));
      bar.classList.toggle('urgent', left < 60_000);
      if (next >= 0 && next < warnings.length && left <= warnings[next] * 1000 && left > 0) {
        announce(t(extend ? 'hold.warning-extend' : 'hold.warning', { n: warnings[next] }), true);
        next++;
      }

      if (left <= 0 && !signal.aborted && !this.busy) {
        announce(t('hold.ended'), true);
        this.show({ ...booking, status: 'EXPIRED' });
      }
    }, 500, signal);
    return bar;
  }

  /** Runs what a button does, once, and says in place what went wrong. */
  async #run(message, button, action) {
    if (this.busy) {
      return;
    }

    this.busy = true;
    button?.setAttribute('aria-busy', 'true');
    replace(message);
    try {
      await action();
    } catch (error) {
      if (this.signal.aborted) {
        return;
      }

      this.busy = false;
      if (['already_paid', 'hold_expired', 'extension_limit_reached'].includes(error.code)) {
        await this.refresh(error.code === 'already_paid' ? null : errorBox(words(error)));
      } else {
        replace(message, errorBox(words(error)));
      }
    } finally {
      this.busy = false;
      button?.removeAttribute('aria-busy');
    }
  }

  #pay(message) {
    return this.#run(message, this.body.querySelector('.primary'), async () => {
      const queueName = await catalogue.queueOf(this.plan.concertId, this.signal);
      await bookings.pay(queueName, this.booking.bookingId);
      await this.show(await bookings.get(this.booking.bookingId, this.signal));
      announce(t('paid.title'), true);
      this.body.querySelector('.result h2')?.focus();
    });
  }

  #extend(button, message) {
    return this.#run(message, button, async () => {
      const queueName = await catalogue.queueOf(this.plan.concertId, this.signal);
      let booking;
      try {
        booking = await bookings.extend(queueName, this.booking.bookingId);
      } catch (error) {
        if (error instanceof Problem) {
          throw error;
        }

        booking = await bookings.get(this.booking.bookingId, this.signal); // the answer was lost: it may have been done
      }

      await this.show(booking);
      announce(t('hold.extended', { time: digits(Date.parse(booking.heldUntil) - now()) }));
    });
  }

  #release(button, message) {
    return this.#run(message, button, async () => {
      try {
        await bookings.release(this.booking.bookingId);
      } catch (error) {
        if (error.code !== 'hold_expired') {
          throw error;
        }
      }

      location.hash = `#/show/${this.booking.scheduleId}`;
    });
  }

  #chargePanel(missing, message) {
    if (!service.selfCharge) {
      return h('p', { class: 'notice' }, t('charge.elsewhere'));
    }

    const amount = h('input', {
      id: 'charge', type: 'number', inputMode: 'numeric', min: '1', max: '10000000', step: '1', required: true,
      value: String(Math.min(missing, 10_000_000)),
    });
    const button = h('button', { type: 'submit' }, t('charge.go'));
    return h('form', {
      class: 'charge', onsubmit: event => {
        event.preventDefault();
        this.#run(message, button, async () => {
          const balance = await bookings.charge(Number(amount.value));
          announce(t('charge.done', { balance: money(balance) }));
          await this.show(this.booking);
        });
      },
    },
    h('label', { for: 'charge' }, t('charge.label')), h('div', { class: 'field' }, amount, button),
    h('p', { class: 'hint' }, t('charge.hint')));
  }

  #settled() {
    const { booking } = this;
    const status = booking.status === 'HELD' ? 'EXPIRED' : booking.status;
    const outcome = { CONFIRMED: 'paid', RELEASED: 'released', CANCELLED: 'cancelled' }[status] ?? 'expired';
    return h('section', { class: `card narrow result ${outcome}` },
      h('h2', { tabIndex: -1 }, t(`${outcome}.title`)), h('p', null, t(`${outcome}.text`)), seatTable(booking),
      status === 'CONFIRMED' ? h('p', { class: 'reference' }, t('paid.reference'), ' ', h('code', null, booking.bookingId)) : null,
      h('div', { class: 'actions' },
        status === 'CONFIRMED' ? h('a', { class: 'button primary', href: '#/bookings' }, t('nav.bookings'))
          : h('a', { class: 'button primary', href: `#/show/${booking.scheduleId}` }, t('choose.again')),
        h('a', { class: 'button quiet', href: '#/' }, t('nav.shows'))));
  }
}

export function seatTable(booking) {
  return h('ul', { class: 'seat-table' }, booking.seats.map(seat => h('li', null,
    h('span', null, place(seat)), seat.grade ? h('span', { class: 'grade' }, seat.grade) : null, h('strong', null, money(seat.price)))),
  h('li', { class: 'sum' }, h('span', null, t('pay.total')), h('strong', null, money(booking.total))));
}
