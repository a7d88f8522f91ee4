// Words, numbers and times in the reader's language. All words are in messages.en.js and messages.ko.js.

const languages = { en: () => import('./messages.en.js'), ko: () => import('./messages.ko.js') };
let language = 'en';
let messages = {};
let plural, whole;

export const names = { en: 'English', ko: '한국어' };

export const current = () => language;

function preferred() {
  const chosen = localStorage.getItem('cb.language');
  const known = navigator.languages.map(tag => tag.split('-')[0]).find(tag => tag in languages);
  return chosen in languages ? chosen : known ?? 'en';
}

/** Loads the words of a language; without one, of the reader's own. */
export async function useLanguage(name) {
  if (name) {
    localStorage.setItem('cb.language', name);
  }

  language = name ?? preferred();
  messages = (await languages[language]()).default;
  document.documentElement.lang = language;
  plural = new Intl.PluralRules(language);
  whole = new Intl.NumberFormat(language);
}

export const has = key => key in messages;

/** The words for a key, with `{name}` replaced; a number `n` chooses the plural form. */
export function t(key, values = {}) {
  const entry = messages[key];
  const text = typeof entry === 'object' ? entry[plural.select(values.n)] ?? entry.other : entry ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => typeof values[name] === 'number' ? whole.format(values[name]) : values[name] ?? '');
}

export const number = value => whole.format(value);

export const money = value => t('points', { n: value });

export const dateTime = value =>
  new Intl.DateTimeFormat(language, { dateStyle: 'full', timeStyle: 'short' }).format(new Date(value));

const short = { month: 'short', day: 'numeric', weekday: 'short', hour: 'numeric', minute: '2-digit' };

export const shortDateTime = value => new Intl.DateTimeFormat(language, short).format(new Date(value));

export const time = value => new Intl.DateTimeFormat(language, { timeStyle: 'short' }).format(new Date(value));

/** A span as people say it, in its two largest units: "2 hours 5 minutes". */
export function span(milliseconds) {
  let seconds = Math.max(0, Math.round(milliseconds / 1000));
  const parts = [];
  for (const [unit, length] of [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]]) {
    const count = Math.floor(seconds / length);
    seconds -= count * length;
    if (count > 0 || (unit === 'second' && parts.length === 0)) {
      parts.push(new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'long' }).format(count));
    }
  }

  return parts.slice(0, 2).join(' ');
}

/** A countdown as digits: 4:07. */
export function digits(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
