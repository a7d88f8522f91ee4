import { summaryDir } from './settings.js';

const round = (value) => (Number.isInteger(value) ? value : Number(value.toFixed(2)));

/** handleSummary of a test: its whole summary as JSON beside a few lines on the screen. */
export const summaryOf = (name, more = () => ({})) => (data) => {
  const lines = [];
  for (const [metric, { values, thresholds }] of Object.entries(data.metrics).sort()) {
    if (!thresholds) continue;
    const shown = ['count', 'rate', 'p(95)', 'max'].filter((key) => key in values).map((key) => `${key}=${round(values[key])}`);
    const broken = Object.entries(thresholds).filter(([, { ok }]) => !ok).map(([rule]) => rule);
    lines.push(`  ${broken.length ? 'BREACH' : 'ok    '} ${metric}: ${shown.join(' ')}${broken.length ? `   wanted ${broken.join(', ')}` : ''}`);
  }
  const extra = more(data);
  const summary = { test: name, finishedAt: new Date().toISOString(), durationMs: data.state.testRunDurationMs, ...extra, metrics: data.metrics };
  return {
    stdout: `${name}\n${lines.join('\n')}\n${extra.text || ''}`,
    [`${summaryDir}/${name}.json`]: JSON.stringify(summary, null, 1),
  };
};
