// Runs the DuckDB twin of each query in docs/OCSF.md over a lake and compares the rows with what a plain scan of the same
// alerts returns (scans.mjs), which shares no code with the mapping.
//
//   npm install && node queries.mjs LAKE_DIR ALERTS.ndjson docs/OCSF.md
//
// LAKE_DIR is what "convert -o LAKE_DIR" made of ALERTS.ndjson (plain or .gz); its class decides which queries run: those
// named 2001-... over a lake of class 2001, the others over class 2004, those of everyClass over both. Each query runs
// twice: over all alerts, and over the first half of their time. The window of the page is replaced, and nothing else but
// the address of the query "indicator", which is tried with addresses of the corpus.
//
// One line per query. Exit 1 on any difference, on a query without a scan or a scan without a query, and when no query
// returned a row; 64 for wrong usage.

import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import { addressesOf, readAlert, scans, unmappedFaults } from './scans.mjs'

const maxDifferences = 5

// everyClass are the queries that use only columns that 2001 and 2004 share.
const everyClass = ['by-agent-and-level', 'unmapped-keys', 'duplicates']

const maxIndicators = 40

const [lake, alertsFile, page, ...rest] = process.argv.slice(2)
if (!page || rest.length > 0) {
  console.error('usage: node queries.mjs LAKE_DIR ALERTS.ndjson docs/OCSF.md')
  process.exit(64)
}

let failed = false
function fault(message) {
  failed = true
  console.error(message)
}

const alerts = readAlerts(alertsFile)
const queries = readQueries(page)
for (const name of queries.keys()) if (!(name in scans)) fault(`${name}: no scan to compare the query with`)
for (const name of Object.keys(scans)) if (!queries.has(name)) fault(`${name}: no query in ${page}`)

const instance = await DuckDBInstance.create(':memory:')
const connection = await instance.connect()
await connection.run(`CREATE VIEW lake AS SELECT * FROM read_parquet('${lake.replaceAll("'", "''")}/ext/*/*/*/*/*.parquet',
  hive_partitioning = true, hive_types_autocast = false)`)

const [[stored]] = await rowsOf('SELECT count(*) FROM lake')
if (stored !== alerts.length) fault(`the lake holds ${stored} events, the file ${alerts.length} alerts`)
const classes = (await rowsOf('SELECT DISTINCT class_uid FROM lake')).flat()
if (classes.length !== 1 || ![2001, 2004].includes(classes[0])) fault(`the lake is of class ${classes.join(', ')}, want 2001 or 2004`)

let answered = 0
for (const [name, sql] of queries) {
  if (!(name in scans) || !runsOn(name, classes[0])) continue
  for (const window of windows(alerts)) {
    const inside = alerts.filter(a => a.time >= window.from && a.time < window.to)
    const indicators = name === 'indicator' ? addressesOf(inside).slice(0, maxIndicators) : [undefined]
    let rows = 0
    const differences = []
    for (const indicator of indicators) {
      const got = await rowsOf(prepared(sql, window, indicator))
      rows += got.length
      differences.push(...(scans[name] ? compare(got, scans[name](inside, indicator)) : unmappedFaults(got, inside)))
    }
    answered += rows
    for (const d of differences.slice(0, maxDifferences)) console.error(`${name}: ${d}`)
    if (differences.length > 0) failed = true
    console.log(`${name}: ${window.name}: ${rows} rows, ${differences.length} differences`)
  }
}
if (answered === 0) fault('no query returned a row: nothing was compared')
process.exit(failed ? 1 : 0)

function readAlerts(file) {
  let bytes = readFileSync(file)
  if (file.endsWith('.gz')) bytes = gunzipSync(bytes)
  const all = []
  for (let start = 0; start < bytes.length;) {
    let end = bytes.indexOf(0x0a, start)
    if (end < 0) end = bytes.length
    if (end > start) all.push(readAlert(bytes.subarray(start, end)))
    start = end + 1
  }
  return all
}

function readQueries(file) {
  const found = new Map()
  for (const [, name, sql] of readFileSync(file, 'utf8').matchAll(/^```sql duckdb (\S+)\n([^]*?)^```$/gm)) {
    if (found.has(name)) fault(`${name}: twice in ${file}`)
    found.set(name, sql)
  }
  return found
}

function runsOn(name, classUID) {
  return everyClass.includes(name) || name.startsWith('2001-') === (classUID === 2001)
}

// windows are the times to ask for: all, and the first half, so that a query that ignores its window is found.
function windows(all) {
  const times = all.map(a => a.time).sort((a, b) => a - b)
  const from = times[0], to = times.at(-1) + 1
  const windows = [{ name: 'all', from, to }]
  const middle = times[times.length >> 1]
  if (middle > from) windows.push({ name: 'first half', from, to: middle })
  return windows
}

// prepared puts another window, and another indicator, into a query of the page.
function prepared(sql, window, indicator) {
  const stamp = ms => new Date(ms).toISOString().replace('T', ' ').replace('Z', '+00')
  const day = ms => new Date(ms).toISOString().slice(0, 10).replaceAll('-', '')
  let text = replaced(sql, "'20261101' AND '20261130'", `'${day(window.from)}' AND '${day(window.to - 1)}'`)
  text = replaced(text, "TIMESTAMPTZ '2026-11-01 00:00:00+00'", `TIMESTAMPTZ '${stamp(window.from)}'`)
  text = replaced(text, "TIMESTAMPTZ '2026-12-01 00:00:00+00'", `TIMESTAMPTZ '${stamp(window.to)}'`)
  return indicator === undefined ? text : replaced(text, "'203.0.113.7'", `'${indicator}'`)
}

function replaced(text, from, to) {
  if (!text.includes(from)) fault(`a query lacks ${from}`)
  return text.replaceAll(from, to)
}

async function rowsOf(sql) {
  const rows = await (await connection.run(sql)).getRows()
  return rows.map(row => row.map(plain))
}

function plain(value) {
  if (typeof value === 'bigint') return Number(value)
  if (value !== null && typeof value === 'object' && 'micros' in value) return Number(value.micros / 1000n)
  return value
}

// compare returns the rows that only one side has, as texts. The order of rows is the query's affair.
function compare(got, want) {
  const count = new Map()
  for (const row of got) add(row, 1)
  for (const row of want) add(row, -1)
  function add(row, n) {
    const key = JSON.stringify(row)
    count.set(key, (count.get(key) ?? 0) + n)
  }
  const differences = []
  for (const [key, n] of count) {
    if (n !== 0) differences.push(n > 0 ? `only in the lake: ${key}` : `only in the alerts: ${key}`)
  }
  return differences
}
