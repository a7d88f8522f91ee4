// The booking page: its views, in the frame.
import { run } from './frame.js';
import { signInPanel } from './sign-in.js';
import { showsView } from './view-shows.js';

await run({
  links: [['#/', 'nav.shows', /^(#\/?)?$/], ['#/bookings', 'nav.bookings', /^#\/bookings$/]],
  routes: [
    [/^#\/show\/(\d+)$/, async (...all) => (await import('./view-show.js')).showView(...all)],
    [/^#\/booking\/([\w-]+)$/, async (...all) => (await import('./view-booking.js')).bookingView(...all)],
    [/^#\/bookings$/, async (...all) => (await import('./view-bookings.js')).bookingsView(...all)],
    [/^/, showsView],
  ],
  signIn: signInPanel,
});
