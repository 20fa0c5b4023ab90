import { Component, createRef } from 'preact';
import uPlot from 'uplot';
import type { RunCurve } from '../../protocol/jobs/run-curve.ts';
import { loss } from '../room/words.ts';
import { html, type View } from './html.ts';

const HEIGHT = 220;
/** Losses that span more than this factor are drawn on a logarithmic scale, which shows their ends better. */
const LOG_FROM = 30;

/** Curves with at most this many points show each point. */
const POINTS_UP_TO = 25;

/** One run's loss by epoch, as text and as a chart. */
export function curveView(curve: RunCurve): View {
  return html`
    <figure class="curve" key=${curve.run} data-run=${curve.run} data-epochs=${curve.epochs.length}>
      <figcaption><strong>${curve.run}</strong> ${inWords(curve)}</figcaption>
      <${Plot} curve=${curve} />
    </figure>
  `;
}

/** Describes the chart for readers who cannot see it. */
export function inWords({ epochs, train_loss, val_loss }: RunCurve): string {
  const best = val_loss.reduce<number>((found, value, index) => {
    const lowest = val_loss[found] ?? null;
    return value !== null && (lowest === null || value < lowest) ? index : found;
  }, 0);
  const bestLoss = val_loss[best] ?? null;
  return [
    `after ${epochs.at(-1) ?? 0} epochs`,
    `training loss ${loss(train_loss.at(-1) ?? null)}`,
    `validation loss ${loss(val_loss.at(-1) ?? null)}`,
    ...(bestLoss === null ? [] : [`best ${loss(bestLoss)} at epoch ${epochs[best]}`]),
  ].join(', ');
}

/** uPlot in a Preact component. The chart is created again if its colours or its scale change. */
class Plot extends Component<{ curve: RunCurve }> {
  readonly #place = createRef<HTMLDivElement>();
  readonly #scheme = matchMedia('(prefers-color-scheme: dark)');
  readonly #resize = new ResizeObserver(() => this.#fit());
  #plot: uPlot | undefined;
  #log = false;

  override componentDidMount(): void {
    this.#make();
    if (this.#place.current) this.#resize.observe(this.#place.current);
    this.#scheme.addEventListener('change', this.#make);
  }

  override componentDidUpdate(): void {
    const { curve } = this.props;
    if (spansFar(curve) !== this.#log) this.#make();
    else this.#plot?.setData(columns(curve));
  }

  override componentWillUnmount(): void {
    this.#scheme.removeEventListener('change', this.#make);
    this.#resize.disconnect();
    this.#plot?.destroy();
  }

  override render(): View {
    return html`<div class="plot" ref=${this.#place} aria-hidden="true"></div>`;
  }

  readonly #make = (): void => {
    const place = this.#place.current;
    if (place === null) return;
    const { curve } = this.props;
    this.#plot?.destroy();
    this.#log = spansFar(curve);
    this.#plot = new uPlot(options(place, this.#log), columns(curve), place);
  };

  #fit(): void {
    const width = this.#place.current?.clientWidth ?? 0;
    if (width > 0) this.#plot?.setSize({ width, height: HEIGHT });
  }
}

function options(place: HTMLElement, log: boolean): uPlot.Options {
  const colours = getComputedStyle(place);
  const colour = (name: string): string => colours.getPropertyValue(name).trim();
  const grid = { stroke: colour('--line'), width: 1 };
  const axis = { stroke: colour('--faint'), grid, ticks: { show: false } };
  const lossAxis = log ? { filter: fewOf, grid: { ...grid, filter: fewOf } } : {};
  const series = (label: string, name: string): uPlot.Series => ({
    label,
    stroke: colour(name),
    width: 2,
    spanGaps: true,
    points: { size: 6, fill: colour(name), show: (plot) => (plot.data[0]?.length ?? 0) <= POINTS_UP_TO },
    value: (_plot, value) => loss(value),
  });
  return {
    width: Math.max(200, place.clientWidth),
    height: HEIGHT,
    scales: { x: { time: false }, y: log ? { distr: 3 } : {} },
    axes: [
      { ...axis, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000], size: 34 },
      {
        ...axis,
        ...lossAxis,
        size: 64,
        values: (_plot, ticks) => ticks.map((tick) => (tick === null ? '' : loss(tick))),
      },
    ],
    series: [{ label: 'epoch' }, series('training loss', '--train'), series('validation loss', '--val')],
    cursor: { y: false, drag: { x: false, y: false } },
  };
}

/** Selects the lines at 1, 2 and 5 of a logarithmic scale. */
function fewOf(_plot: uPlot, ticks: number[]): (number | null)[] {
  return ticks.map((tick) => (/^[125](\.0*)?e/.test(tick.toExponential(6)) ? tick : null));
}

function columns({ epochs, train_loss, val_loss }: RunCurve): uPlot.AlignedData {
  return [epochs, train_loss, val_loss];
}

function spansFar({ train_loss, val_loss }: RunCurve): boolean {
  const known = [...train_loss, ...val_loss].filter((value) => value !== null);
  const lowest = known.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const highest = known.reduce((a, b) => Math.max(a, b), 0);
  return lowest > 0 && highest / lowest > LOG_FROM;
}
