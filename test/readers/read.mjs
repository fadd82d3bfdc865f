// Reads every column of the Parquet files given with two readers that share no code with the writer or with each other
// (DuckDB and hyparquet), and compares them value by value.
//
//   npm install && node read.mjs FILE.parquet...
//
// One line per file with the number of rows and leaf columns. Exit 1 on any difference or unreadable file, 64 without
// files. Integers of 64 bits are compared as BigInt, timestamps as microseconds, lists in their order, maps by key.

import { readFile } from 'node:fs/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import { parquetMetadata, parquetRead, parquetSchema } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'

const maxDifferences = 10

const files = process.argv.slice(2)
if (files.length === 0) {
  console.error('usage: node read.mjs FILE.parquet...')
  process.exit(64)
}

let failed = false
const instance = await DuckDBInstance.create(':memory:')
const connection = await instance.connect()
for (const file of files) {
  try {
    const duck = await readDuckDB(file)
    const hyper = await readHyparquet(file)
    const differences = compare(duck, hyper.rows)
    for (const d of differences.slice(0, maxDifferences)) console.error(`${file}: ${d}`)
    if (differences.length > maxDifferences) console.error(`${file}: ${differences.length} differences in all`)
    if (differences.length > 0) failed = true
    console.log(`${file}: ${duck.length} rows, ${hyper.columns} leaf columns, ${differences.length} differences`)
  } catch (error) {
    failed = true
    console.error(`${file}: ${error.stack ?? error}`)
  }
}
process.exit(failed ? 1 : 0)

async function readDuckDB(file) {
  // hive_partitioning off: the columns must be the file's own, wherever it lies.
  const result = await connection.run(
    `SELECT * FROM read_parquet('${file.replaceAll("'", "''")}', hive_partitioning = false)`)
  const names = result.columnNames()
  const rows = await result.getRows()
  return rows.map(row => drop(Object.fromEntries(names.map((name, i) => [name, fromDuckDB(row[i])]))))
}

// fromDuckDB turns the value classes of the DuckDB client into plain ones.
function fromDuckDB(value) {
  if (value === null || value === undefined) return null
  if (typeof value !== 'object') return value
  switch (value.constructor.name) {
    case 'DuckDBStructValue':
      return structOfDuckDB(value)
    case 'DuckDBListValue':
    case 'DuckDBArrayValue':
      return value.items.map(fromDuckDB)
    case 'DuckDBMapValue':
      return map(value.entries.map(({ key, value }) => [fromDuckDB(key), fromDuckDB(value)]))
    case 'DuckDBTimestampTZValue':
    case 'DuckDBTimestampValue':
      return { micros: value.micros }
    case 'DuckDBTimestampMillisecondsValue':
      return { micros: value.millis * 1000n }
    case 'DuckDBBlobValue':
      throw new Error('text came back as a blob: a STRING annotation is missing')
  }
  throw new Error(`DuckDB returned a ${value.constructor.name}, which no column should be`)
}

async function readHyparquet(file) {
  const bytes = await readFile(file)
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
  const metadata = parquetMetadata(buffer)
  let rows = []
  await parquetRead({
    file: buffer, metadata, compressors, rowFormat: 'object', utf8: false,
    // Epoch numbers, not Date objects: a Date would hide a wrong unit below the millisecond.
    parsers: {
      timestampFromMilliseconds: ms => ({ micros: BigInt(ms) * 1000n }),
      timestampFromMicroseconds: us => ({ micros: BigInt(us) }),
      timestampFromNanoseconds: ns => ({ micros: BigInt(ns) / 1000n }),
    },
    onComplete: complete => { rows = complete },
  })
  const tree = parquetSchema(metadata)
  return {
    columns: metadata.row_groups[0]?.columns.length ?? 0,
    rows: rows.map(row => drop(Object.fromEntries(tree.children.map(c => [c.element.name, fromHyparquet(row[c.element.name], c)])))),
  }
}

// fromHyparquet turns a value into the form of fromDuckDB; node is its place in the schema.
function fromHyparquet(value, node) {
  if (value === null || value === undefined) return null
  const annotation = node.element.logical_type?.type ?? node.element.converted_type
  if (annotation === 'LIST') {
    const element = node.children[0].children[0]
    return Array.from(value, item => fromHyparquet(item, element))
  }
  if (annotation === 'MAP') {
    const [, valueNode] = node.children[0].children
    const entries = Array.isArray(value) ? value.map(e => [e.key, e.value]) : Object.entries(value)
    return map(entries.map(([k, v]) => [k, fromHyparquet(v, valueNode)]))
  }
  if (node.children.length > 0) {
    return struct(node.children.map(c => [c.element.name, fromHyparquet(value[c.element.name], c)]))
  }
  if (typeof value === 'object' && !('micros' in value)) throw new Error(`${node.element.name}: hyparquet returned ${value.constructor.name}`)
  return value
}

function structOfDuckDB(value) {
  const result = struct(Object.entries(value.entries).map(([k, v]) => [k, fromDuckDB(v)]))
  if (result === null) throw new Error('a struct of nulls: it must be a missing struct')
  return result
}

// struct drops missing members. hyparquet cannot tell a missing struct from a struct of nulls, so for it both are null;
// DuckDB can, and a struct of nulls is an error there.
function struct(entries) {
  const present = entries.filter(([, v]) => v !== null)
  return present.length === 0 ? null : Object.fromEntries(present)
}

// map sorts by key: hyparquet returns an object, and JavaScript moves keys that look like numbers to the front.
function map(entries) {
  return { map: entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)) }
}

function drop(row) {
  return Object.fromEntries(Object.entries(row).filter(([, v]) => v !== null))
}

function compare(duck, hyper) {
  const differences = []
  if (duck.length !== hyper.length) differences.push(`DuckDB reads ${duck.length} rows, hyparquet ${hyper.length}`)
  for (let i = 0; i < Math.min(duck.length, hyper.length); i++) compareValue(duck[i], hyper[i], `row ${i}`, differences)
  return differences
}

// compareValue adds a line for each difference, with the place but not the values: alerts are confidential.
function compareValue(a, b, place, differences) {
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') {
    if (!sameScalar(a, b)) differences.push(`${place}: DuckDB has a ${kind(a)}, hyparquet a ${kind(b)} that differs`)
    return
  }
  if (Array.isArray(a) !== Array.isArray(b)) {
    differences.push(`${place}: DuckDB has a ${kind(a)}, hyparquet a ${kind(b)}`)
    return
  }
  if (Array.isArray(a) && a.length !== b.length) differences.push(`${place}: ${a.length} elements against ${b.length}`)
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    compareValue(a[key] ?? null, b[key] ?? null, `${place}.${key}`, differences)
  }
}

function sameScalar(a, b) {
  if (typeof a === 'bigint' || typeof b === 'bigint') {
    return a !== null && b !== null && typeof a !== 'string' && typeof b !== 'string' && BigInt(a) === BigInt(b)
  }
  return Object.is(a, b)
}

function kind(value) {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'list' : typeof value
}
