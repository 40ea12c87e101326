// YAML text to a tree of keys, or to what is wrong with it. Bounded in size and in what aliases may unfold to.
import { parseDocument, type Document } from 'yaml';
import { isTree } from './parse.ts';

/** A config file is a page or two; more is the wrong file. */
const FILE_LIMIT_CHARACTERS = 1_000_000;

type Unreadable = { readonly problem: string; readonly remedy: string };

/** The tree of a YAML text; an empty text is an empty tree. Merge keys (`<<`) are followed, as Hydra does. */
export function parseYamlTree(content: string): { readonly tree: Record<string, unknown> } | Unreadable {
  if (content.length > FILE_LIMIT_CHARACTERS) {
    const problem = `The file is longer than ${FILE_LIMIT_CHARACTERS} characters.`;
    return { problem, remedy: 'Name the config file in CONFIG_DIR and CONFIG_NAME.' };
  }
  const document = parseDocument(content, { merge: true });
  const [error] = document.errors;
  if (error) {
    const place = error.linePos ? ` at line ${error.linePos[0].line}, column ${error.linePos[0].col}` : '';
    const problem = `The file is not valid YAML${place} (${error.code}).`;
    return { problem, remedy: 'Correct that place: indents, colons, quotes.' };
  }
  return unfold(document);
}

function unfold(document: Document): { readonly tree: Record<string, unknown> } | Unreadable {
  let tree: unknown;
  try {
    tree = document.toJS();
  } catch {
    return {
      problem: 'The aliases (*name) in the file cannot be resolved.',
      remedy: 'Write the values out.',
    };
  }
  if (tree === null || tree === undefined) return { tree: {} };
  if (isTree(tree)) return { tree };
  return {
    problem: 'The file holds no sections.',
    remedy: 'Write sections such as `machine:` with indented keys.',
  };
}
