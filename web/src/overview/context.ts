/** What every part of the overview needs. */

import type { Filters } from "./links.ts";
import type { Range } from "./range.ts";

export interface View {
  range: Range;
  filters: Filters;
  /** The parameters of the API for the range and the filters. */
  parameters: Record<string, string>;
}
