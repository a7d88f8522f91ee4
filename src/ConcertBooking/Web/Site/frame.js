// The frame around the views of a page: header, language, connection, and which view an address shows.
import { connection, isReachable, Problem } from './api.js';
import { h, liveRegions, announce, replace, errorBox } from './dom.js';
import * as i18n from './i18n.js';
import { t } from './i18n.js';
import { session, signInWay, signOut, start, user, SignInNeeded } from './session.js';
import { words } from './problems.js';

const root = document.getElementById('app');
const main = h('main', { id: 'main', tabIndex: -1 });
const header = h('header', { class: 'top' });
const offline = h('section', { class: 'offline', hidden: true, 'aria-labelledby': 'offline' });
const footer = h('footer', { class: 'bottom' });
let leaving = new AbortController();
let shown = null;
let page = null;

/**
 * Shows the page.
 * @param {{links, routes, signIn, explain}} parts `links`: address, words, and the pattern of the addresses below it, the first one
 *   home; `routes`: pattern of an address, and its view: `(parameter, signal) => { title, element }`, or a promise of it; `signIn`:
 *   the panel for who must; `explain`: the view for an error, where the page has one of its own
 */
export async function run(parts) {
  page = parts;
  await i18n.useLanguage();
  root.append(
    h('a', { class: 'skip', href: '#main', onclick: event => { event.preventDefault(); main.focus(); } }, t('skip')),
    header, offline, main, footer, ...liveRegions());
  replace(main, h('p', { class: 'placeholder' }, t('loading')));
  drawFrame();
  await start().catch(error => console.warn(error));
  await show();
}

function drawFrame() {
  const languages = Object.entries(i18n.names).map(([tag, name]) => h('button', {
    type: 'button', lang: tag, 'aria-pressed': String(tag === i18n.current()), onclick: () => changeLanguage(tag),
  }, name));
  const known = signInWay && user();
  replace(header,
    h('a', { class: 'brand', href: '#/' }, h('span', { class: 'mark', 'aria-hidden': 'true' }), t('brand')),
    h('nav', { 'aria-label': t('nav.label') },
      page.links.map(([href, words, below]) => h('a', { href, 'aria-current': below.test(location.hash) ? 'page' : null }, t(words)))),
    h('div', { class: 'who' },
      known ? h('span', { class: 'user' }, signInWay === 'dev' ? t('user.number', { n: known }) : known) : null,
      known ? h('button', { type: 'button', class: 'link', onclick: leave }, t('sign-out')) : null,
      h('div', { class: 'languages', role: 'group', 'aria-label': t('language') }, languages)));
  replace(footer, h('p', null, t('footer')));
  drawConnection();
}

function drawConnection() {
  offline.hidden = isReachable();
  replace(offline, h('p', { id: 'offline' }, t('offline')));
}

function leave() {
  signOut();
  location.hash = '#/';
  show();
}

async function changeLanguage(tag) {
  await i18n.useLanguage(tag);
  await show();
  header.querySelector(`[lang=${tag}]`).focus();
}

async function show() {
  leaving.abort();
  const here = leaving = new AbortController();
  const isFirst = shown === null;
  shown = location.hash;
  drawFrame();
  const [pattern, view] = page.routes.find(([candidate]) => candidate.test(shown));
  main.setAttribute('aria-busy', 'true');
  let result;
  try {
    result = await view(pattern.exec(shown)[1], here.signal);
  } catch (error) {
    if (here.signal.aborted) {
      return;
    }

    result = failed(error);
  }

  if (here.signal.aborted) {
    return;
  }

  main.removeAttribute('aria-busy');
  document.title = `${result.title} · ${t('brand')}`;
  replace(main, result.element);
  drawFrame();
  if (!isFirst) {
    scrollTo(0, 0);
    const heading = main.querySelector('h1');
    heading?.setAttribute('tabindex', '-1');
    heading?.focus({ preventScroll: true });
  }
}

function failed(error) {
  if (error instanceof SignInNeeded) {
    return { title: t('sign-in.title'), element: page.signIn(show, 'h1') };
  }

  const own = page.explain?.(error, leave);
  if (own) {
    return own;
  }

  if (!(error instanceof Problem)) {
    console.error(error);
  }

  const again = h('button', { type: 'button', onclick: show }, t('try-again'));
  const box = errorBox(words(error), again, h('a', { class: 'button quiet', href: page.links[0][0] }, t(page.links[0][1])));
  return { title: t('error.title'), element: h('section', { class: 'card narrow' }, h('h1', null, t('error.title')), box) };
}

connection.addEventListener('change', () => {
  drawConnection();
  announce(t(isReachable() ? 'online-again' : 'offline'));
});
session.addEventListener('change', drawFrame);
session.addEventListener('other-user', show);
window.addEventListener('hashchange', show);
