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
  edit: "M2 11.500 10.500 3l2.500 2.500L4.500 14H2ZM11.300 2.200l1-1a1 1 0 0 1 1.400 0l1.100 1.100a1 1 0 0 1 0 1.400l-1 1Z",
  tag: "M1 1h6.500L15 8.500 8.500 15 1 7.500ZM4 3a1 1 0 1 0 0 2 1 1 0 0 0 0-2Z",
  trash: "M6 1h4v1.500h4V4H2V2.500h4ZM3 5h10l-.8 10H3.800ZM6 7v6h1.200V7ZM8.800 7v6H10V7Z",
  insert: "M1 2h14v1.500H1ZM1 12.500h14V14H1ZM7.200 5h1.600v2.200H11v1.600H8.800V11H7.200V8.800H5V7.200h2.200Z",
  all: "M1 1h14v14H1ZM2.600 2.600v10.800h10.800V2.600ZM7 11.600 4 8.600l1.200-1.200L7 9.200l3.900-3.900L12.100 6.500Z",
  plus: "M7 2h2v5h5v2H9v5H7V9H2V7h5Z",
  upload: "M8 1l5 5.500h-3.200V11H6.200V6.500H3ZM2 13h12v2H2Z",
  chevron: "M5 2.500 6.200 1.300 12.900 8l-6.700 6.700L5 13.500 10.500 8Z",
  pulse: "M1 7.200h3L6 2l4 11 2-5.800h3v1.600h-1.900L10 15.500 6 5.500 5 8.800H1Z",
  copies: "M5 1h9v10h-2V3H5ZM2 4h9v11H2Z",
  undo: "M6 2v3h3.500a5 5 0 0 1 0 10H5v-2h4.500a3 3 0 0 0 0-6H6v3L1 6Z",
  pause: "M3 2h3.500v12H3ZM9.500 2H13v12H9.500Z",
  play: "M3 1.500 14 8 3 14.500Z",
  check: "M6.300 12.800 1.700 8.200 3.100 6.800 6.300 10l6.600-6.600 1.400 1.400Z",
  filter: "M1 2h14L9.500 8.500V14L6.500 12.500V8.500Z",
  bookmark: "M3 1h10v14l-5-4-5 4Z",
  eye: "M8 3C4.300 3 1.600 5.700.5 8c1.100 2.300 3.800 5 7.500 5s6.400-2.700 7.500-5C14.400 5.700 11.700 3 8 3Zm0 2a3 3 0 1 1 0 6 3 3 0 0 1 0-6Z",
  sliders: "M1 3h7V1.500h2V3h5v1.600h-5v1.500H8V4.600H1ZM1 11.400h3V9.900h2v1.500h9V13H6v1.500H4V13H1Z",
  search: "M6.500 1a5.500 5.500 0 1 0 3.300 9.900l3.900 3.900 1.200-1.200-3.900-3.900A5.500 5.500 0 0 0 6.500 1Zm0 1.700a3.800 3.800 0 1 1 0 7.600 3.800 3.800 0 0 1 0-7.600Z",
  up: "M8 2l5 5.500h-4V14H7V7.500H3Z",
  down: "M8 14 3 8.500h4V2h2v6.500h4Z",
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
