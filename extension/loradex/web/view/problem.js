// An error in its own words: what is wrong, and set apart from it what to do.

import { Problem } from "../model/api.js";
import { make } from "./dom.js";

/**
 * @param {unknown} problem
 * @returns {Node[]}
 */
export function problemNodes(problem) {
  const message = problem instanceof Error ? problem.message : String(problem);
  const nextStep = problem instanceof Problem ? problem.nextStep : "";
  // The server's line for people ends with the next step.
  const what = nextStep && message.endsWith(nextStep) ? message.slice(0, -nextStep.length) : message;
  return [
    make("p", { class: "what", text: what.trim(), dir: "auto" }),
    ...(nextStep ? [make("p", { class: "next-step", text: nextStep, dir: "auto" })] : []),
  ];
}
