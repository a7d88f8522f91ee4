// One date: its seats as they sell.
import { h, setText } from './dom.js';
import { current, number, t } from './i18n.js';
import { asUser } from './session.js';
import * as catalogue from './catalogue.js';
import { Hall } from './hall.js';
import { SeatFeed } from './seats.js';
import { SeatMap } from './map.js';
import { seatName } from './seat-words.js';
import { showHead } from './show-head.js';

const columns = [['S', 'seats.sold'], ['H', 'seats.held'], ['A', 'seats.left'], ['B', 'seats.blocked']];

export async function scheduleView(id, signal) {
  await asUser('GET', '/v1/admin/queues?limit=1', { signal }); // the seats are public: this asks whether one is an organiser
  const plan = await catalogue.plan(id, signal);
  const hall = new Hall(plan);
  const feed = new SeatFeed(plan.scheduleId, signal);
  const chosen = h('p', { class: 'seat-facts', role: 'status' }, t('seats.choose'));
  const map = new SeatMap({
    hall, feed, signal, selection: { has: () => false },
    onToggle: seat => setText(chosen, seatName(seat, feed.state(seat.seatNo))),
  });
  const [figures, table] = [seatFigures(hall), gradeTable(hall)];
  feed.addEventListener('change', ({ detail }) => {
    map.update(detail);
    const counts = count(hall, feed);
    figures.update(counts.get(null));
    table?.update(counts);
  });
  feed.run().catch(error => signal.aborted || console.error(error));
  return {
    title: plan.title,
    element: h('div', null, showHead(plan, `#/concert/${plan.concertId}`, t('dates.all')),
      h('div', { class: 'choose' },
        h('section', { class: 'card', 'aria-labelledby': 'seats' }, h('h2', { id: 'seats' }, t('seats.title')),
          figures.element, map.element, legend(plan), chosen),
        h('div', { class: 'side' }, table ? h('section', { class: 'card', 'aria-labelledby': 'grades' },
          h('h2', { id: 'grades' }, t('seats.by-grade')), table.element) : null, terms(plan)))),
  };
}

/** How many seats are in each state: of all (null), and of each grade. */
function count(hall, feed) {
  const counts = new Map([[null, { S: 0, H: 0, A: 0, B: 0 }]]);
  for (const seat of hall.seats) {
    const { grade } = seat.section;
    counts.has(grade) || counts.set(grade, { S: 0, H: 0, A: 0, B: 0 });
    const state = feed.state(seat.seatNo);
    counts.get(null)[state]++;
    counts.get(grade)[state]++;
  }

  return counts;
}

function seatFigures(hall) {
  const values = columns.map(() => h('dd', null, '…'));
  const share = new Intl.NumberFormat(current(), { style: 'percent', maximumFractionDigits: 1 });
  const sold = h('meter', { min: 0, max: hall.seats.length, 'aria-label': t('seats.sold') });
  const words = h('span');
  return {
    element: h('div', null,
      h('dl', { class: 'figures' }, columns.map(([, key], index) =>
        h('div', { class: 'figure' }, h('dt', null, t(key)), values[index]))),
      h('div', { class: 'sold-share' }, sold, words)),
    update: counts => {
      columns.forEach(([state], index) => setText(values[index], number(counts[state])));
      sold.value = counts.S;
      setText(words, t('seats.share', { share: share.format(counts.S / hall.seats.length), of: hall.seats.length }));
    },
  };
}

function gradeTable({ plan }) {
  if (plan.grades.length < 2) {
    return null;
  }

  const cells = new Map(plan.grades.map(({ grade }) => [grade, columns.map(() => h('td'))]));
  return {
    element: h('div', { class: 'table', tabIndex: 0, role: 'group', 'aria-label': t('seats.by-grade') }, h('table', null,
      h('thead', null, h('tr', null, ['seats.grade', ...columns.map(([, key]) => key)].map(key => h('th', { scope: 'col' }, t(key))))),
      h('tbody', null, plan.grades.map(({ grade }) => h('tr', null, h('th', { scope: 'row' }, grade), cells.get(grade)))))),
    update: counts => cells.forEach((row, grade) => columns.forEach(([state], index) =>
      setText(row[index], number(counts.get(grade)?.[state] ?? 0)))),
  };
}

function legend(plan) {
  const key = (look, text) => h('li', null, h('span', { class: 'key', 'data-look': look, 'aria-hidden': 'true' }), text);
  return h('ul', { class: 'legend', 'aria-label': t('legend.label') },
    plan.grades.map(({ grade }, index) => key(`A${index % 6}`, [grade, t('seats.left')].filter(Boolean).join(' · '))),
    key('H', t('seats.held')), key('S', t('seats.sold')));
}

function terms(plan) {
  const when = value => new Intl.DateTimeFormat(current(), { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(value));
  const list = h('dl', { class: 'terms' });
  const add = (key, value) => list.append(h('dt', null, t(key)), h('dd', null, value));
  plan.grades.forEach(({ grade, price }) => add('terms.price', [grade, t('points', { n: price })].filter(Boolean).join(' · ')));
  add('terms.opens', plan.salesOpenAt ? when(plan.salesOpenAt) : t('terms.at-once'));
  add('terms.closes', plan.salesCloseAt ? when(plan.salesCloseAt) : t('terms.at-start'));
  add('terms.most', plan.maxPerUser > 0 ? number(plan.maxPerUser) : t('queue.no-limit'));
  return h('section', { class: 'card', 'aria-labelledby': 'terms' }, h('h2', { id: 'terms' }, t('terms.title')), list,
    h('p', { class: 'hint' }, h('a', { href: `/#/show/${plan.scheduleId}` }, t('terms.page'))));
}
