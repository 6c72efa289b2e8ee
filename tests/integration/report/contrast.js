// Every visible text with the contrast between its colour and what is behind it (WCAG 2.2, 1.4.3), and every mark (1.4.11).
function parse(color) {
  const found = color.match(/[\d.]+/g).map(Number);
  return { rgb: found.slice(0, 3), alpha: found.length > 3 ? found[3] : 1 };
}
function luminance(rgb) {
  const [r, g, b] = rgb.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : Math.pow((share + 0.055) / 1.055, 2.4);
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function contrast(one, other) {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}
function behind(element) {
  for (let at = element; at; at = at.parentElement) {
    const { rgb, alpha } = parse(getComputedStyle(at).backgroundColor);
    if (alpha === 1) return rgb;
    if (alpha > 0) throw new Error("a background is translucent: " + at.outerHTML.slice(0, 80));
  }
  return [255, 255, 255];
}
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  const text = walker.currentNode.textContent.trim();
  if (!text || ["TITLE", "STYLE", "title"].includes(element.tagName) || !element.checkVisibility()) continue;
  const style = getComputedStyle(element);
  const inSvg = element instanceof SVGElement;
  let back = behind(element);
  if (element.classList.contains("on-band")) back = parse(getComputedStyle(element.parentElement.querySelector("rect")).fill).rgb;
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  const ratio = contrast(parse(inSvg ? style.fill : style.color).rgb, back);
  found.push({ text: text.slice(0, 40), ratio, wanted: large ? 3 : 4.5 });
}
for (const mark of document.querySelectorAll("svg .mark, svg .point, svg .tick, svg .median, svg .limit")) {
  const style = getComputedStyle(mark);
  const lined = ["tick", "median", "limit"].some((name) => mark.classList.contains(name));
  const stroked = lined || mark.classList.contains("stroke") || mark.classList.contains("before");
  const ratio = contrast(parse(stroked ? style.stroke : style.fill).rgb, behind(mark));
  if (mark.checkVisibility()) found.push({ text: "mark " + mark.getAttribute("class"), ratio, wanted: 3 });
}
return found;
