// What is said of one variable. Pure.

export type ConfigKey = {
  /** The text that counts when nothing is given. It goes through the same rule as a given one. */
  readonly default?: string;
  /** Where there is no such text: what happens then, in words. */
  readonly otherwise?: string;
  readonly meaning: string;
  /** What the value must be, as the end of "Set NAME to …". */
  readonly accepts: string;
  readonly unit?: string;
  /** Never shown, not even where it is wrong. */
  readonly secret?: true;
  /** The key of the field's config file that gives the same; the environment wins. */
  readonly fileKey?: string;
};
