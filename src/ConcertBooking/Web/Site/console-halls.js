// All halls, and adding one: as blocks of equal rows, or from a file with everything that the API takes.
import { h, replace } from './dom.js';
import { number, t } from './i18n.js';
import { asUser } from './session.js';
import { Live, Pages } from './console-live.js';
import { field, form } from './console-form.js';

const maxRows = 1000, maxSeatsOfRow = 1000;

export async function hallsView(_, signal) {
  const list = h('ul', { class: 'rows' });
  const pages = new Pages(() => live.refresh());
  let shown = '';
  const live = new Live(
    async () => (await asUser('GET', `/v1/admin/halls?limit=20${pages.query}`, { signal })).body,
    ({ items, nextCursor }) => {
      pages.update(nextCursor);
      const ids = items.map(item => item.hallId).join();
      if (ids !== shown) { // a hall never changes
        shown = ids;
        replace(list, items.map(hall => h('li', null, h('strong', null, hall.name), h('span', { class: 'count' },
          [t('halls.seats', { n: hall.seatCount }), t('halls.grades', { grades: hall.grades.join(', ') })].join(' · ')))));
      }

      list.childElementCount || replace(list, h('li', { class: 'placeholder' }, t('halls.none')));
    },
    signal);
  await live.start();
  const added = ({ body }) => {
    live.refresh();
    return t('hall.added', { n: body.seatCount });
  };
  return {
    title: t('nav.halls'),
    element: h('div', null,
      h('div', { class: 'hero' }, h('h1', null, t('nav.halls')), h('p', null, t('halls.lead'))),
      h('div', { class: 'two' },
        h('section', { class: 'card', 'aria-labelledby': 'halls' }, h('h2', { id: 'halls' }, t('halls.all')),
          live.element, list, pages.element),
        h('section', { class: 'card', 'aria-labelledby': 'add' }, h('h2', { id: 'add' }, t('hall.add')), addForm(added), fileForm(added)))),
  };
}

const add = async (body, added) => added(await asUser('POST', '/v1/admin/halls', { body, repeatable: false }));

function addForm(added) {
  const name = field({ id: 'hall-name', label: t('hall.name'), required: true, maxLength: 200, autocomplete: 'off' });
  const sections = h('div', { class: 'sections' });
  const blocks = new Map();
  let made = 0;
  const another = () => {
    const block = sectionBlock(++made, remove);
    blocks.set(block.element, block);
    sections.append(block.element);
    drawRemovals();
    return block;
  };
  const remove = element => {
    blocks.delete(element);
    element.remove();
    drawRemovals();
    more.focus();
  };
  const drawRemovals = () => blocks.forEach(block => { block.removal.hidden = blocks.size === 1; });
  const more = h('button', { type: 'button', onclick: () => another().name.focus() }, t('hall.section-more'));
  another();
  return form({
    children: [name.element, sections, h('div', { class: 'actions' }, more)],
    go: t('hall.add'),
    send: async () => {
      const text = await add({ name: name.input.value, sections: [...blocks.values()].map(block => block.read()) }, added);
      name.input.value = '';
      return text;
    },
  });
}

function sectionBlock(n, remove) {
  const id = `section-${n}`;
  const count = (key, max, value) => field({
    id: `${id}-${key}`, label: t(`hall.${key}`), type: 'number', inputMode: 'numeric', min: '1', max: String(max), step: '1', value,
    required: true,
  });
  const text = (key, maxLength) => field({ id: `${id}-${key}`, label: t(`hall.${key}`), required: true, maxLength, autocomplete: 'off' });
  const [name, grade] = [text('section', 30), text('grade', 20)];
  const [rows, seats] = [count('rows', maxRows, '10'), count('row-seats', maxSeatsOfRow, '20')];
  const removal = h('button', {
    type: 'button', class: 'link', onclick: () => remove(element),
  }, t('hall.section-remove', { n: number(n) }));
  const element = h('fieldset', null, h('legend', null, t('hall.section-number', { n: number(n) })),
    h('div', { class: 'pair' }, name.element, grade.element, rows.element, seats.element), removal);
  return {
    element, removal, name: name.input,
    read: () => ({
      section: name.input.value, grade: grade.input.value,
      rows: Array.from({ length: rows.input.valueAsNumber }, (_, index) => ({ row: String(index + 1), seats: seats.input.valueAsNumber })),
    }),
  };
}

function fileForm(added) {
  const file = field({
    id: 'hall-file', label: t('hall.file'), hint: t('hall.file-hint'), type: 'file', accept: '.json,application/json', required: true,
  });
  return h('details', null, h('summary', null, t('hall.from-file')), form({
    children: [file.element],
    go: t('hall.add'),
    send: async () => add(JSON.parse(await file.input.files[0].text()), added),
  }));
}
