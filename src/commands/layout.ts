import { painter } from '../view/colour.js';
import { remedyFor } from '../view/remedy.js';
import type { Layout } from '../view/screen-parts.js';
import type { CommonOptions, Output } from './command.js';

/** How a screen is laid out for whoever gave these options. */
export function layoutFor(options: CommonOptions, output: Output): Layout {
  return { columns: output.columns, paint: painter(output.colour), remedy: remedyFor(options.config) };
}
