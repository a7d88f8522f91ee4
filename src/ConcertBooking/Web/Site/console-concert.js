// One concert: its dates with the seats left, and adding a date.
import { h, replace, setText } from './dom.js';
import { dateTime, money, number, t } from './i18n.js';
import { asUser } from './session.js';
import { read, schedules } from './catalogue.js';
import { Live } from './console-live.js';
import { field, form, isEmpty, moment, zone } from './console-form.js';

const maxSeats = 100_000, maxPrice = 1_000_000_000;

export async function concertView(id, signal) {
  const concertId = Number(id);
  const halls = await allHalls(signal);
  const heading = h('h1', null, sessionStorage.getItem('cb.added') ?? t('concert.number', { n: id }));
  sessionStorage.removeItem('cb.added');
  const facts = h('p', { class: 'facts' });
  const rows = new Map();
  const list = h('ul', { class: 'dates' });
  let named = false;
  const live = new Live(
    async () => {
      const concert = named ? null : await find(concertId, signal);
      return { concert, items: (await schedules(concertId, signal)).items };
    },
    ({ concert, items }) => {
      if (concert) {
        named = true;
        setText(heading, concert.title);
        setText(facts, t('concerts.queue', { queue: concert.queue }));
      }

      drawDates(list, rows, items);
    },
    signal);
  await live.start();
  return {
    title: heading.textContent,
    element: h('div', null,
      h('div', { class: 'show-head' }, h('a', { class: 'back', href: '#/concerts' }, t('concerts.all')), heading, facts),
      h('div', { class: 'choose' },
        h('section', { class: 'card', 'aria-labelledby': 'dates' }, h('h2', { id: 'dates' }, t('dates.title')), live.element, list),
        h('section', { class: 'card', 'aria-labelledby': 'add' }, h('h2', { id: 'add' }, t('date.add')),
          addForm(concertId, halls, () => live.refresh())))),
  };
}

/** Rows are kept, so that neither focus nor the place of reading is lost when a number changes. */
function drawDates(list, rows, items) {
  const order = items.map(item => item.scheduleId).join();
  items.filter(item => !rows.has(item.scheduleId)).forEach(item => rows.set(item.scheduleId, dateRow(item.scheduleId)));
  items.forEach(item => rows.get(item.scheduleId).update(item));
  if (list.dataset.order !== order) {
    list.dataset.order = order;
    replace(list, items.length === 0 ? h('li', { class: 'placeholder' }, t('shows.no-dates'))
      : items.map(item => rows.get(item.scheduleId).element));
  }
}

function dateRow(scheduleId) {
  const [when, price, left] = [h('time'), h('div', { class: 'price' }), h('span')];
  const meter = h('meter', { min: 0, 'aria-label': t('shows.left-label') });
  const link = h('a', { class: 'button', href: `#/schedule/${scheduleId}` }, t('date.open'));
  return {
    element: h('li', { class: 'date' }, h('div', { class: 'when' }, when), price, h('div', { class: 'left' }, meter, left), link),
    update: item => {
      when.setAttribute('datetime', item.startsAt);
      setText(when, dateTime(item.startsAt));
      setText(price, t('shows.from', { price: money(item.price) }));
      [meter.max, meter.value] = [item.seatCount, item.availableSeats];
      setText(left, t('shows.left', { n: item.availableSeats, of: number(item.seatCount) }));
      link.setAttribute('aria-label', t('date.open-label', { when: dateTime(item.startsAt) }));
    },
  };
}

async function find(concertId, signal) {
  for (let cursor = ''; cursor !== null;) {
    const page = await read(`/v1/concerts?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`, signal);
    const concert = page.items.find(item => item.concertId === concertId);
    if (concert) {
      return concert;
    }

    cursor = page.nextCursor;
  }

  return null;
}

async function allHalls(signal) {
  const halls = [];
  for (let cursor = ''; cursor !== null;) {
    const { body } = await asUser('GET', `/v1/admin/halls?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`, { signal });
    halls.push(...body.items);
    cursor = body.nextCursor;
  }

  return halls;
}

const priceField = (id, label) =>
  field({ id, label, type: 'number', inputMode: 'numeric', min: '0', max: String(maxPrice), step: '1', required: true });

function addForm(concertId, halls, onAdded) {
  const starts = field({
    id: 'date-starts', label: t('date.starts'), hint: t('date.zone', { zone: zone() }), type: 'datetime-local', required: true,
  });
  const hall = field({
    id: 'date-hall', label: t('date.hall'),
    options: [['', t('date.no-hall')], ...halls.map(item => [item.hallId, t('date.hall-of', { name: item.name, n: item.seatCount })])],
  });
  const opens = field({ id: 'date-opens', label: t('date.opens'), hint: t('date.opens-hint'), type: 'datetime-local' });
  const most = field({
    id: 'date-most', label: t('date.most'), hint: t('date.most-hint'), type: 'number', inputMode: 'numeric', min: '0',
    max: String(maxSeats), step: '1',
  });
  const seats = field({
    id: 'date-seats', label: t('date.seats'), type: 'number', inputMode: 'numeric', min: '1', max: String(maxSeats), step: '1',
    required: true,
  });
  const one = priceField('date-price', t('date.price'));
  const own = h('div', { class: 'fields' });
  let grades = [];
  const choose = () => {
    const chosen = halls.find(item => String(item.hallId) === hall.input.value);
    grades = (chosen?.grades ?? []).map((grade, index) => [grade, priceField(`date-price-${index}`, t('date.price-of', { grade }))]);
    replace(own, chosen ? grades.map(([, price]) => price.element) : [seats.element, one.element]);
  };
  hall.input.addEventListener('change', choose);
  choose();
  const terms = () => grades.length > 0
    ? { hallId: Number(hall.input.value), prices: Object.fromEntries(grades.map(([grade, { input }]) => [grade, input.valueAsNumber])) }
    : { seatCount: seats.input.valueAsNumber, price: one.input.valueAsNumber };
  return form({
    children: [starts.element, hall.element, own, opens.element, most.element],
    go: t('date.add'),
    send: async () => {
      const body = { startsAt: moment(starts.input), ...terms(), salesOpenAt: moment(opens.input) };
      isEmpty(most.input) || (body.maxPerUser = most.input.valueAsNumber);
      const { body: made } = await asUser('POST', `/v1/admin/concerts/${concertId}/schedules`, { body, repeatable: false });
      onAdded();
      starts.input.value = ''; // the next date has most of this in common, but not its time
      return t('date.added', { when: dateTime(made.startsAt), n: made.seatCount });
    },
  });
}
