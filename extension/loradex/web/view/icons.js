// Pictograms as paths of 16 x 16; the verdicts differ in shape, not only in colour.

const NAMESPACE = "http://www.w3.org/2000/svg";

/** @type {Record<string, string>} */
const PATHS = {
  fits: "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm-1 10L3.8 7.8l1.2-1.2 2 2 4-4L12.200 5.800Z",
  partly: "M8 1 15 8 8 15 1 8ZM8 3.800V12.200L3.800 8Z",
  no_effect: "M2 2H14V14H2ZM4.500 7V9H11.500V7Z",
  unknown: "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 1.600a5.400 5.400 0 1 1 0 10.800A5.400 5.400 0 0 1 8 2.600Z"
    + "M7.200 10.400h1.600v1.600H7.200ZM5.600 6.400a2.400 2.400 0 1 1 3.600 2.100c-.3.200-.4.400-.4.800v.3H7.200v-.4"
    + "c0-.9.500-1.500 1.100-1.800A.9.9 0 1 0 7.200 6.400Z",
  broken: "M8 1 15.500 14.500H.5ZM7.200 6V10.400H8.800V6ZM7.200 11.400V13H8.800V11.400Z",
  star: "M8 1.200l2 4.400 4.800.5-3.600 3.200 1 4.700L8 11.600 3.800 14l1-4.700L1.200 6.100 6 5.600Z",
  info: "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1ZM7.100 7H8.900V12H7.100ZM7.100 4H8.900V5.800H7.100Z",
  close: "M3.300 2.200 8 6.900l4.700-4.700 1.100 1.100L9.100 8l4.700 4.700-1.100 1.100L8 9.100l-4.700 4.700-1.100-1.100L6.900 8 2.200 3.300Z",
  folder: "M1 3h5l1.500 2H15v9H1Z",
  grid: "M1 1h6v6H1ZM9 1h6v6H9ZM1 9h6v6H1ZM9 9h6v6H9Z",
  list: "M1 2h14v2.500H1ZM1 6.800h14v2.500H1ZM1 11.500h14V14H1Z",
  way: "M4 2v9H1.500L5 15l3.500-4H6V2ZM10 14V5H7.500L11 1l3.500 4H12v9Z",
};

/**
 * @param {string} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(NAMESPACE, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  const path = document.createElementNS(NAMESPACE, "path");
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  setIcon(svg, name);
  return svg;
}

/**
 * @param {SVGSVGElement} svg
 * @param {string} name
 */
export function setIcon(svg, name) {
  const path = PATHS[name] ?? PATHS.unknown;
  if (svg.firstElementChild?.getAttribute("d") !== path) {
    svg.firstElementChild?.setAttribute("d", path);
  }
}
