// Colours made from lightness, chroma and hue in OKLab (Ottosson 2020), where equal steps look equal: a map for
// levels whose lightness grows evenly, and one hue for each class.

/** sRGB bytes of an OKLCH colour; what lies outside of sRGB is cut off. */
export function oklch(lightness, chroma, hueDegrees) {
  const hue = (hueDegrees * Math.PI) / 180;
  const a = chroma * Math.cos(hue);
  const b = chroma * Math.sin(hue);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((linear) => {
    const part = Math.min(1, Math.max(0, linear));
    const curved = part <= 0.0031308 ? 12.92 * part : 1.055 * part ** (1 / 2.4) - 0.055;
    return Math.round(255 * curved);
  });
}

/** 256 colours as RGBA in machine words: from paper to ink in light, from night to gold in dark. */
export function levelTable(dark) {
  const table = new Uint32Array(256);
  const bytes = new Uint8ClampedArray(table.buffer);
  for (let level = 0; level < 256; level += 1) {
    const share = level / 255;
    const lightness = dark ? 0.2 + 0.74 * share : 0.975 - 0.72 * share;
    const hue = dark ? 205 - 125 * share ** 1.15 : 165 + 105 * share;
    const chroma = dark
      ? 0.018 + 0.125 * Math.sin(Math.PI * Math.min(1, share * 1.05)) + 0.05 * share ** 2
      : 0.004 + 0.115 * Math.sin((Math.PI / 2) * share) ** 1.3;
    bytes.set([...oklch(lightness, chroma, hue), 255], 4 * level);
  }
  return table;
}

/** A class's colour: neighbours in the list are far apart in hue. */
export function classColour(index, dark) {
  if (index < 0) return dark ? "rgb(120 138 135)" : "rgb(120 132 129)";
  const hue = (25 + index * 137.508) % 360;
  const [red, green, blue] = oklch(dark ? 0.78 : 0.56, 0.125, hue);
  return `rgb(${red} ${green} ${blue})`;
}
