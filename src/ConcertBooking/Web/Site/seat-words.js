// A seat in words, the same ones everywhere: list, map, selection, booking.
import { money, t } from './i18n.js';

const states = { A: 'seat.available', H: 'seat.held', S: 'seat.sold', B: 'seat.blocked' };

/** "Floor, row 3, seat 12": of a seat of the hall, or of a booking. */
export function place({ section, row, label }) {
  const [sectionName, rowName] = [section?.name ?? section, row?.name ?? row];
  return [sectionName, rowName && t('seat.row', { row: rowName }), t('seat.seat', { label })].filter(Boolean).join(t('seat.separator'));
}

export const stateWords = letter => t(states[letter] ?? 'seat.blocked');

export const seatName = (seat, letter, chosen = false) =>
  [place(seat), seat.section.grade, money(seat.section.price), chosen ? t('seat.chosen') : stateWords(letter)].filter(Boolean).join(' · ');
