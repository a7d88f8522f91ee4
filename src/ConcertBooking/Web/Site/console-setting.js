// A number that is set by a slider or typed beside it, applied as soon as it is chosen.
import { announce, h, replace, setText } from './dom.js';
import { number, t } from './i18n.js';
import { words } from './problems.js';

const mantissas = [10, 12, 15, 20, 25, 30, 35, 40, 50, 60, 70, 80, 90];

/** The places of a slider from 1 to a limit: as fine below as above. */
export function steps(limit) {
  const values = [1, 2, 3, 4, 5, 6, 7, 8, 9];
  for (let power = 1; power * 10 <= limit; power *= 10) {
    values.push(...mantissas.map(value => value * power).filter(value => value <= limit));
  }

  return values;
}

/**
 * While somebody changes it, or the change is not saved yet, what is read from the service does not touch it. Of several changes
 * the last one is saved last.
 */
export class Setting {
  #value = 0;
  #wanted = null;
  #edited = false;
  #saving = false;
  #savedAt = 0;

  /**
   * @param {{id, label, hint, values, min, max, say, save}} parts `values`: what the slider offers, in its order; `say`: a value in
   *   words; `save`: `value => value as saved`, a promise
   */
  constructor(parts) {
    Object.assign(this, parts);
    const { id, label, hint, values, min, max } = parts;
    this.slider = h('input', {
      type: 'range', id: `${id}-slider`, min: '0', max: String(values.length - 1), step: '1', 'aria-labelledby': `${id}-label`,
      oninput: () => this.#slid(), onchange: () => this.#commit(this.values[Number(this.slider.value)]),
    });
    this.input = h('input', {
      type: 'number', id, inputMode: 'numeric', min: String(min), max: String(max), step: '1', 'aria-describedby': `${id}-hint ${id}-state`,
      oninput: () => this.#typed(), onchange: () => this.#entered(), onkeydown: event => this.#key(event),
    });
    this.state = h('p', { class: 'saved', id: `${id}-state` });
    this.element = h('div', { class: 'setting' },
      h('label', { for: id, id: `${id}-label` }, label), h('div', { class: 'setting-row' }, this.slider, this.input),
      h('p', { class: 'hint', id: `${id}-hint` }, hint), this.state);
  }

  /** What the service says, read from then on. */
  update(value, askedAt) {
    const edited = this.#edited || this.#saving || document.activeElement === this.input;
    if (!edited && askedAt >= this.#savedAt) {
      this.#show(value);
    }
  }

  #show(value) {
    this.#value = value;
    this.input.value = String(value);
    this.#place(value);
  }

  #place(value) {
    const exact = this.values.indexOf(value);
    const at = exact >= 0 ? exact : this.values.reduce((best, other, index) =>
      Math.abs(other - value) < Math.abs(this.values[best] - value) ? index : best, 0);
    this.slider.value = String(at);
    this.slider.setAttribute('aria-valuetext', this.say(value));
  }

  #slid() {
    this.#edited = true;
    const value = this.values[Number(this.slider.value)];
    this.input.value = String(value);
    this.slider.setAttribute('aria-valuetext', this.say(value));
    this.#tell('pending', t('setting.pending'));
  }

  #typed() {
    this.#edited = true;
    this.#valid() && this.#place(this.input.valueAsNumber);
    this.#tell('pending', t('setting.enter'));
  }

  #valid() {
    const value = this.input.valueAsNumber;
    return Number.isInteger(value) && value >= this.min && value <= this.max;
  }

  #entered() {
    if (this.#valid()) {
      this.#commit(this.input.valueAsNumber);
      return;
    }

    const text = t('setting.range', { from: number(this.min), to: number(this.max) });
    this.input.setAttribute('aria-invalid', 'true');
    this.#tell('failed', text, this.#undo());
    announce(text, true);
  }

  #key(event) {
    if (event.key === 'Escape') {
      this.#reset();
    }
  }

  #undo() {
    return h('button', { type: 'button', class: 'link', onclick: () => { this.#reset(); this.input.focus(); } }, t('setting.undo'));
  }

  #reset() {
    [this.#edited, this.#wanted] = [false, null];
    this.input.removeAttribute('aria-invalid');
    this.#show(this.#value);
    this.#tell('', '');
  }

  async #commit(value) {
    this.input.removeAttribute('aria-invalid');
    this.#wanted = value;
    if (this.#saving) {
      return;
    }

    this.#saving = true;
    try {
      while (this.#wanted !== null) {
        const wanted = this.#wanted;
        this.#wanted = null;
        this.#tell('pending', t('setting.saving'));
        await this.#save(wanted);
      }
    } finally {
      this.#saving = false;
    }
  }

  async #save(wanted) {
    try {
      const saved = await this.save(wanted);
      this.#savedAt = performance.now();
      if (this.#wanted === null) {
        this.#edited = false;
        this.#show(saved);
        this.#tell('done', t('setting.saved'));
        announce(t('setting.saved-as', { label: this.label, value: this.say(saved) }));
      }
    } catch (error) {
      if (this.#wanted !== null) {
        return; // a newer change is about to be saved
      }

      const again = h('button', { type: 'button', class: 'link', onclick: () => this.#commit(wanted) }, t('try-again'));
      const text = t('setting.failed', { why: words(error) });
      this.#tell('failed', text, again, this.#undo());
      announce(text, true);
    }
  }

  #tell(kind, text, ...actions) {
    this.state.dataset.state = kind;
    if (actions.length === 0) {
      setText(this.state, text);
    } else {
      replace(this.state, text, ' ', actions);
    }
  }
}
