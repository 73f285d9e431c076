// The heatmap as a layer: cold is clear, warm is bright.

// The stops go from clear to opaque, so that the picture stays visible where nothing is found.
const STOPS = [
  [0.0, 84, 20, 60, 0],
  [0.25, 150, 28, 60, 0.35],
  [0.5, 226, 66, 38, 0.62],
  [0.75, 255, 150, 40, 0.8],
  [1.0, 255, 236, 150, 0.92],
];

function ramp() {
  const table = new Uint8ClampedArray(256 * 4);
  for (let i = 0; i < 256; i += 1) {
    // The cube root lifts what is faint: a peak alone would be a dot.
    const t = Math.cbrt(i / 255);
    const k = Math.max(STOPS.findIndex(([at]) => at >= t), 1);
    const [a, ...low] = STOPS[k - 1];
    const [b, ...high] = STOPS[k];
    const part = (t - a) / (b - a);
    low.forEach((value, c) => {
      const mixed = value + (high[c] - value) * part;
      table[4 * i + c] = c === 3 ? 255 * mixed : mixed;
    });
  }
  return table;
}

let table = null;

/**
 * Lets every value fade out around it, in place.  A right answer is a peak of few pixels, which
 * the piece laid on it would hide: its glow shows around the piece.
 */
function glow(heat, width, height, fade) {
  const diagonal = fade ** Math.SQRT2;
  const pass = (from, to, step) => {
    for (let i = from; i !== to; i += step) {
      const x = i % width;
      const [back, ahead] = step > 0 ? [x > 0, x < width - 1] : [x < width - 1, x > 0];
      const above = i - step * width;
      if (back) heat[i] = Math.max(heat[i], heat[i - step] * fade);
      if (above < 0 || above >= width * height) continue;
      heat[i] = Math.max(heat[i], heat[above] * fade);
      if (back) heat[i] = Math.max(heat[i], heat[above - step] * diagonal);
      if (ahead) heat[i] = Math.max(heat[i], heat[above + step] * diagonal);
    }
  };
  pass(0, width * height, 1);
  pass(width * height - 1, -1, -1);
}

/**
 * A canvas of the heatmap's colours out of its grey or RGBA picture.
 * reach: width of a piece over that of the picture.
 */
export function colourHeat(image, reach) {
  const { naturalWidth: width, naturalHeight: height } = image;
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, width, height);
  const { data } = pixels;
  const heat = new Float32Array(width * height);
  for (let i = 0; i < heat.length; i += 1) heat[i] = (data[4 * i] * data[4 * i + 3]) / 255;
  const highest = heat.reduce((a, b) => Math.max(a, b), 0);
  if (highest === 0) return canvas;
  glow(heat, width, height, Math.exp(-4 / Math.max(reach * width, 1)));
  table ||= ramp();
  for (let i = 0; i < heat.length; i += 1) {
    const level = 4 * Math.round((255 * heat[i]) / highest);
    for (let c = 0; c < 4; c += 1) data[4 * i + c] = table[level + c];
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}
