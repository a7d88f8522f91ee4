// Choosing seats: on the map, in the list, or the best available; then holding them.
import { Problem } from './api.js';
import { h, replace, announce, errorBox, setText } from './dom.js';
import { money, t } from './i18n.js';
import * as bookings from './bookings.js';
import { Hall } from './hall.js';
import { SeatFeed } from './seats.js';
import { SeatList } from './seat-list.js';
import { SeatMap } from './map.js';
import { Selection } from './selection.js';
import { place } from './seat-words.js';
import { words } from './problems.js';
import * as queue from './queue.js';

const placeLost = ['queue_token_expired', 'queue_token_invalid', 'queue_token_missing', 'queue_token_not_active'];

export async function chooseView({ plan, queueName, maxSeats, signal, onLost }) {
  const hall = new Hall(plan);
  const feed = new SeatFeed(plan.scheduleId, signal);
  const selection = new Selection(hall, plan.maxPerUser > 0 ? Math.min(maxSeats, plan.maxPerUser) : maxSeats);
  const message = h('div', { class: 'messages' });
  const say = text => {
    replace(message, errorBox(text));
    message.scrollIntoView({ block: 'nearest' });
  };

  const onToggle = seat => {
    replace(message);
    if (selection.has(seat.seatNo)) {
      selection.remove(seat.seatNo);
      announce(t('choose.removed', { seat: place(seat) }));
    } else if (feed.state(seat.seatNo) !== 'A') {
      say(t('choose.not-free', { seat: place(seat) }));
    } else if (selection.add(seat)) {
      announce(`${t('choose.added', { seat: place(seat) })} ${t('choose.total', { n: selection.size, total: money(selection.total) })}`);
    } else {
      say(t('choose.too-many', { n: selection.limit }));
    }
  };

  const held = async request => {
    busy(true);
    try {
      const booking = await request();
      selection.clear();
      location.hash = `#/booking/${booking.bookingId}`;
    } catch (error) {
      if (signal.aborted) {
        return;
      }

      busy(false);
      if (!(error instanceof Problem)) {
        throw error;
      }

      if (error.code === 'seat_taken') {
        const lost = error.seatNos.length ? error.seatNos : selection.seats.map(seat => seat.seatNo);
        lose(lost);
      } else if (placeLost.includes(error.code)) {
        queue.forget(queueName);
        announce(words(error), true);
        onLost();
      } else {
        say(words(error));
      }
    }
  };

  const lose = seatNos => {
    const names = seatNos.map(seatNo => place(hall.seat(seatNo)));
    selection.remove(...seatNos);
    say(t('choose.lost', { n: names.length, seats: names.join('; ') }));
  };

  const parts = { hall, feed, selection, onToggle, signal };
  const list = new SeatList(parts);
  const map = new SeatMap(parts);
  const summary = summaryPanel(selection, onToggle, () => held(() =>
    bookings.hold(queueName, plan.scheduleId, selection.seats.map(seat => seat.seatNo))));
  const best = bestPanel(plan, selection.limit, wish => held(() => bookings.holdBest(queueName, plan.scheduleId, wish)));
  let working = false;
  const busy = value => {
    working = value;
    [summary, best].forEach(panel => panel.querySelectorAll('button').forEach(button => { button.disabled = value; }));
    if (!value) {
      summary.draw();
    }
  };

  feed.addEventListener('change', ({ detail }) => {
    const gone = selection.seats.filter(seat => feed.state(seat.seatNo) !== 'A').map(seat => seat.seatNo);
    if (gone.length > 0 && !working) {
      lose(gone);
    }

    list.update(detail);
    map.update(detail);
    setText(left, t('choose.left', { n: feed.available }));
  });
  selection.addEventListener('change', ({ detail }) => {
    list.update(detail);
    map.update(detail);
    summary.draw();
  });
  const left = h('p', { class: 'left-count' });
  feed.run().catch(error => signal.aborted || say(words(error)));
  summary.draw();
  return h('div', { class: 'choose' },
    h('section', { class: 'hall card', 'aria-labelledby': 'hall-title' },
      h('div', { class: 'hall-head' }, h('h2', { id: 'hall-title' }, t('choose.title')), left),
      message, await ownHold(plan, signal), tabs(map, list), legend(plan)),
    h('div', { class: 'side' }, summary, best));
}

/** Who came back with something held is shown the way to it. */
async function ownHold(plan, signal) {
  const { items } = await bookings.list(null, signal, 10);
  const own = items.find(booking => booking.status === 'HELD' && booking.scheduleId === plan.scheduleId);
  return own && h('div', { class: 'notice' }, h('p', null, t('choose.own-hold', { n: own.seats.length })),
    h('a', { class: 'button', href: `#/booking/${own.bookingId}` }, t('choose.to-payment')));
}

function tabs(map, list) {
  const slot = 'cb.tab';
  const panel = (name, content) => h('div', { role: 'tabpanel', id: `panel-${name}` }, content.element);
  const panels = { map: panel('map', map), list: panel('list', list) };
  const buttons = Object.keys(panels).map(name => h('button', {
    type: 'button', role: 'tab', id: `tab-${name}`, 'aria-controls': `panel-${name}`, onclick: () => open(name),
  }, t(`tab.${name}`)));
  const open = name => {
    localStorage.setItem(slot, name);
    Object.entries(panels).forEach(([key, panel], index) => {
      panel.hidden = key !== name;
      panel.setAttribute('aria-labelledby', `tab-${key}`);
      buttons[index].setAttribute('aria-selected', String(key === name));
      buttons[index].tabIndex = key === name ? 0 : -1;
    });
  };
  const bar = h('div', { role: 'tablist', class: 'tabs', 'aria-label': t('tab.label') }, buttons);
  bar.addEventListener('keydown', event => {
    if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') {
      const next = buttons.find(button => button.tabIndex < 0);
      open(next.id.slice(4));
      next.focus();
      event.preventDefault();
    }
  });
  open(localStorage.getItem(slot) === 'list' ? 'list' : 'map');
  return [bar, panels.map, panels.list];
}

function legend(plan) {
  const key = (look, text) => h('li', null, h('span', { class: 'key', 'data-look': look, 'aria-hidden': 'true' }), text);
  return h('ul', { class: 'legend', 'aria-label': t('legend.label') },
    plan.grades.map(({ grade, price }, index) => key(`A${index % 6}`, [grade || t('seat.available'), money(price)].join(' · '))),
    key('chosen', t('seat.chosen')), key('H', t('seat.held')), key('S', t('seat.sold')));
}

function summaryPanel(selection, onToggle, onHold) {
  const items = h('ul', { class: 'chosen' });
  const total = h('p', { class: 'total' });
  const button = h('button', { type: 'button', class: 'primary wide', onclick: onHold }, t('choose.hold'));
  const panel = h('section', { class: 'card summary', 'aria-label': t('choose.yours') },
    h('h2', { tabIndex: -1 }, t('choose.yours')), items, total, button, h('p', { class: 'hint' }, t('choose.hold-hint')));
  panel.draw = () => {
    const had = panel.contains(document.activeElement) && document.activeElement !== button;
    const none = h('li', { class: 'placeholder' }, t('choose.none', { n: selection.limit }));
    replace(items, selection.size === 0 ? none : selection.seats.map(seat =>
      h('li', null, h('span', null, place(seat), ' ', h('small', null, money(seat.section.price))), h('button', {
        type: 'button', class: 'icon', 'aria-label': t('choose.remove', { seat: place(seat) }), onclick: () => onToggle(seat),
      }, '×'))));
    setText(total, selection.size ? t('choose.total', { n: selection.size, total: money(selection.total) }) : '');
    button.disabled = selection.size === 0;
    panel.classList.toggle('some', selection.size > 0);
    if (had) {
      (items.querySelector('button') ?? panel.querySelector('h2')).focus();
    }
  };
  return panel;
}

function bestPanel(plan, limit, onWish) {
  const count = h('select', { id: 'best-count' }, Array.from({ length: limit }, (_, index) =>
    h('option', { value: index + 1 }, t('best.seats', { n: index + 1 }))));
  count.value = String(Math.min(2, limit));
  const grades = plan.grades.filter(item => item.grade);
  const grade = h('select', { id: 'best-grade' }, h('option', { value: '' }, t('best.any')),
    grades.map(item => h('option', { value: item.grade }, `${item.grade} · ${money(item.price)}`)));
  const together = h('input', { type: 'checkbox', id: 'best-together', checked: true });
  return h('section', { class: 'card best', 'aria-labelledby': 'best-title' },
    h('h2', { id: 'best-title' }, t('best.title')), h('p', { class: 'hint' }, t('best.text')),
    h('form', {
      onsubmit: event => {
        event.preventDefault();
        onWish({ count: Number(count.value), ...(grade.value ? { grade: grade.value } : {}), together: together.checked });
      },
    },
    h('div', { class: 'field' }, h('label', { for: 'best-count' }, t('best.count')), count),
    grades.length ? h('div', { class: 'field' }, h('label', { for: 'best-grade' }, t('best.grade')), grade) : null,
    h('div', { class: 'check' }, together, h('label', { for: 'best-together' }, t('best.together'))),
    h('button', { type: 'submit', class: 'wide' }, t('best.go'))));
}
