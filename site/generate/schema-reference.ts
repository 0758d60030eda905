import { escapeHtml } from './api-reference';
import type { Declaration } from './declarations';

/** As much of JSON Schema as the published ones use. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly title?: string;
  readonly description?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly if?: Schema;
  readonly then?: Schema;
  readonly else?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxLength?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly definitions?: Readonly<Record<string, Schema>>;
}

/** What a reference is made of, beside the schema. */
export interface SchemaReference {
  readonly title: string;
  /** Below the title. */
  readonly intro: string;
  /** The type that declares the document, whose comments explain fields that the schema does not. */
  readonly rootType: string;
  readonly declarations: ReadonlyMap<string, Declaration>;
}

/** An object of the document that has fields: a section of the reference. */
interface Section {
  readonly name: string;
  readonly schema: Schema;
  readonly types: readonly string[];
}

/** Every object of a document with every field: what it takes, within which bounds, whether it must be there. */
export function schemaReference(schema: Schema, reference: SchemaReference): string {
  const sections: Section[] = [{ name: 'The document', schema, types: [reference.rootType] }];
  const named = new Map<string, Schema>();
  for (let index = 0; index < sections.length; index++) {
    const from = sections[index];
    if (from === undefined) break;
    for (const { name, field } of fieldsOf(from.schema)) collect(from.name, name, field);
  }
  return `# ${reference.title}\n\n${reference.intro}\n\n${sections.map((each) => sectionText(each)).join('\n')}`;

  function collect(parent: string, name: string, field: Schema): void {
    const target = resolve(field);
    const key = sectionName(parent, name, field);
    if (target.properties !== undefined && !named.has(key)) {
      named.set(key, target);
      sections.push({ name: key, schema: target, types: DECLARED[key] ?? [documentType(key)] });
    }
    for (const inner of innerOf(target)) collect(parent, name, inner);
  }

  /** That of the definition, else of the field; with the object around it where another field of that name holds something else. */
  function sectionName(parent: string, name: string, field: Schema): string {
    const definition = definitionOf(field);
    if (definition !== undefined) return definition;
    const other = named.get(name);
    return other === undefined || isAlike(other, resolve(field)) ? name : `${parent}.${name}`;
  }

  function sectionText({ name, schema: object, types }: Section): string {
    const rows = fieldsOf(object).map(({ name: field, field: value, kind }) => {
      const note = object.required?.includes(field) === true ? ' (required)' : kind === undefined ? '' : ` (${kind})`;
      const says = value.description ?? resolve(value).description ?? commentOf(types, field);
      return `| \`${field}\`${note} | ${cell(takes(value, name, field))} | ${cell(says)} |`;
    });
    const heading = name === 'The document' ? name : `\`${name}\``;
    return `## ${heading}\n\n| field | takes | says |\n|---|---|---|\n${rows.join('\n')}\n`;
  }

  function commentOf(types: readonly string[], field: string): string {
    for (const type of types) {
      const comment = reference.declarations.get(type)?.members.get(field);
      if (comment !== undefined && comment !== '') return comment;
    }
    return '';
  }

  function resolve(value: Schema): Schema {
    const name = definitionOf(value);
    return name === undefined ? value : resolve(schema.definitions?.[name] ?? {});
  }

  function takes(value: Schema, parent: string, field: string): string {
    const target = resolve(value);
    if (target.properties !== undefined) {
      const name = sectionName(parent, field, value);
      return withTitle(`[\`${name}\`](#${anchor(name)})`, target);
    }
    if (target.const !== undefined) return `\`${JSON.stringify(target.const)}\``;
    if (target.enum !== undefined) return target.enum.map((one) => `\`${String(one)}\``).join(', ');
    const alternatives = alternativesOf(target);
    if (alternatives.length > 0)
      return [...new Set(alternatives.map((one) => takes(one, parent, field)))].join(', or ');
    if (target.items !== undefined && target.type === 'array')
      return `list of ${takes(target.items, parent, field)}${bounds(target)}`;
    if (typeof target.additionalProperties === 'object')
      return `by name: ${takes(target.additionalProperties, parent, field)}`;
    const types = typeof target.type === 'string' ? [target.type] : (target.type ?? []);
    return withTitle(`${types.map((type) => TYPES[type] ?? type).join(' or ') || 'anything'}${bounds(target)}`, target);
  }
}

/** Types whose names do not follow from the definition's. */
const DECLARED: Readonly<Record<string, readonly string[]>> = {
  route: ['RouteRulesDocument', 'WholeRouteDocument', 'SplitRouteDocument'],
  matcher: ['LabelMatcherDocument'],
  lanes: ['LaneDocument'],
  routeFault: ['FaultDocument'],
  namedFault: ['NamedFaultDocument', 'FaultDocument'],
  'subset.balancing': ['SubsetBalancingDocument'],
};

const TYPES: Readonly<Record<string, string>> = { string: 'text', boolean: 'true or false', integer: 'whole number' };

interface Field {
  readonly name: string;
  readonly field: Schema;
  /** Of an object that comes in kinds, told by one of its fields: the kind that has this one. */
  readonly kind: string | undefined;
}

function fieldsOf({ properties = {}, allOf = [] }: Schema): readonly Field[] {
  const own = Object.entries(properties).map(([name, field]) => ({ name, field, kind: undefined }));
  const ofKinds = allOf.flatMap((rule) => {
    const kind = Object.values(rule.if?.properties ?? {}).find((field) => field.const !== undefined)?.const;
    return Object.entries(rule.then?.properties ?? {})
      .filter(([name]) => properties[name] === undefined)
      .map(([name, field]) => ({ name, field, kind: String(kind) }));
  });
  return [...own, ...ofKinds];
}

function definitionOf({ $ref }: Schema): string | undefined {
  return $ref?.replace('#/definitions/', '');
}

function innerOf(schema: Schema): readonly Schema[] {
  const { items, additionalProperties } = schema;
  const values = typeof additionalProperties === 'object' ? additionalProperties : undefined;
  return [items, values, ...alternativesOf(schema)].filter((inner) => inner !== undefined);
}

function alternativesOf({ anyOf = [], oneOf = [], then: first, else: second }: Schema): readonly Schema[] {
  const all = [...anyOf, ...oneOf, first, second].filter((inner) => inner !== undefined);
  // Others only say which fields go together.
  return all.filter((inner) => ['$ref', 'type', 'const', 'enum', 'properties'].some((key) => key in inner));
}

function withTitle(text: string, { title }: Schema): string {
  return title === undefined ? text : `${text}: ${title}`;
}

function bounds(schema: Schema): string {
  const { minimum, maximum, exclusiveMinimum, minItems, maxItems, maxLength, maxProperties } = schema;
  const parts = [
    exclusiveMinimum === undefined ? undefined : `> ${exclusiveMinimum}`,
    minimum === undefined ? undefined : `>= ${minimum}`,
    // The longest that a timer of Node waits says nothing to a reader.
    maximum === undefined || maximum === 2_147_483_647 ? undefined : `<= ${maximum}`,
    minItems === undefined ? undefined : `at least ${minItems}`,
    maxItems === undefined ? undefined : `at most ${maxItems}`,
    maxLength === undefined ? undefined : `at most ${maxLength} characters`,
    maxProperties === undefined ? undefined : `at most ${maxProperties}`,
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

/** `subsetBreaker` is declared as `SubsetBreakerDocument`. */
function documentType(name: string): string {
  return `${name.charAt(0).toUpperCase()}${name.slice(1)}Document`;
}

const anchor = (name: string): string => name.toLowerCase().replaceAll('.', '');
const isAlike = (one: Schema, other: Schema): boolean => JSON.stringify(one) === JSON.stringify(other);
const cell = (text: string): string => escapeHtml(text).replaceAll('|', '\\|').replaceAll('\n', ' ');
