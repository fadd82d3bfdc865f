// What each query of docs/OCSF.md must return, from the JSON of the alerts alone. The functions know Wazuh's fields, not
// OCSF: they are written from the alerts' side, so that a fault of the mapping or of a query shows as a difference.
// Each takes the alerts of the window and returns rows in the order of the query's columns; times are epoch milliseconds.

import { createHash } from 'node:crypto'
import { isIP } from 'node:net'

// namespace of metadata.uid: UUIDv5 of the DNS name "wazuh-security-lake".
const namespace = Buffer.from('e089c49f2e515a8591d1724fb2133d3e', 'hex')

export function readAlert(line) {
  const json = JSON.parse(line.toString('utf8'))
  return { leaves: new Map(leaves(json)), uid: uuid5(line), time: Date.parse(json.timestamp.replace(/([+-]\d\d)(\d\d)$/, '$1:$2')) }
}

function uuid5(bytes) {
  const sum = createHash('sha1').update(namespace).update(bytes).digest()
  sum[6] = (sum[6] & 0x0f) | 0x50
  sum[8] = (sum[8] & 0x3f) | 0x80
  return sum.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

// leaves yields the dotted path of each leaf of an alert with its value; an array is one leaf.
function* leaves(v, path = '') {
  if (v === null || typeof v !== 'object' || Array.isArray(v)) yield [path, v]
  else for (const key of Object.keys(v)) yield* leaves(v[key], path === '' ? key : `${path}.${key}`)
}

const value = (alert, path) => alert.leaves.get(path)
const has = (alert, path) => [...alert.leaves.keys()].some(key => key.startsWith(path + '.'))

const nothing = new Set(['', '-', 'N/A', 'n/a', '(null)', 'null', 'NULL', '(none)'])

// text returns a scalar as text, or null when it is absent or stands for nothing.
function text(alert, ...paths) {
  for (const path of paths) {
    const v = value(alert, path)
    if (v === undefined || v === null || typeof v === 'object') continue
    const s = String(v)
    if (!nothing.has(s) && s.trim() !== '') return s
  }
  return null
}

const list = (alert, path) => {
  const v = value(alert, path)
  return Array.isArray(v) ? v.map(String) : v === undefined || typeof v === 'object' ? [] : [String(v)]
}
const groups = alert => list(alert, 'rule.groups')
const failedLogon = alert => groups(alert).some(g => g === 'authentication_failed' || g === 'authentication_failures')

// address returns the IP address in a text in its short form, or null: 192.0.2.1, 192.0.2.1:80:if, [2001:db8::1]:80.
function address(s) {
  if (s === null) return null
  const ip = [s, /^\[([^\]]*)\]/.exec(s)?.[1], /^([\d.]+):/.exec(s)?.[1]].find(t => t && isIP(t))
  if (!ip) return null
  if (isIP(ip) === 4) return ip
  const short = new URL(`http://[${ip.replace(/%.*/, '')}]`).hostname.slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short)
  if (!mapped) return short
  const [high, low] = [parseInt(mapped[1], 16), parseInt(mapped[2], 16)]
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

// agent is the first resource: the agent, or the host that is watched without one.
const agentName = alert => text(alert, 'agent.name') ?? (has(alert, 'agent') ? null : text(alert, 'agentless.host'))
const agentID = alert => text(alert, 'agent.id')

const distinct = values => new Set(values.filter(v => v !== null)).size

// grouped collects alerts by key, which is an array, and returns [key, alerts] pairs.
function grouped(alerts, keyOf) {
  const found = new Map()
  for (const alert of alerts) {
    const key = keyOf(alert)
    if (key === null) continue
    const name = JSON.stringify(key)
    if (!found.has(name)) found.set(name, [key, []])
    found.get(name)[1].push(alert)
  }
  return [...found.values()]
}

// lines counts each line once, however often it was read.
const lines = alerts => new Set(alerts.map(a => a.uid)).size
const first = alerts => Math.min(...alerts.map(a => a.time))
const last = alerts => Math.max(...alerts.map(a => a.time))
const level = alert => value(alert, 'rule.level') ?? null
const highest = alerts => alerts.reduce((max, a) => level(a) === null ? max : Math.max(max ?? 0, level(a)), null)

function severity(n) {
  if (n === null) return 'Unknown'
  return n >= 15 ? 'Critical' : n >= 11 ? 'High' : n >= 8 ? 'Medium' : n >= 4 ? 'Low' : 'Informational'
}

const isSysmon = alert => text(alert, 'data.win.system.providerName') === 'Microsoft-Windows-Sysmon'
const isWindows = alert => has(alert, 'data.win')

// source is the remote end of a logon.
function source(alert) {
  if (isWindows(alert)) {
    return address(text(alert, 'data.win.eventdata.ipAddress', 'data.win.eventdata.clientAddress', 'data.win.eventdata.sourceAddress'))
  }
  for (const field of ['srcip', 'src_ip', 'ip_address', 'source_ip', 'source_address', 'src', 'client_ip', 'ClientIP', 'remote_ip', 'remoteAddr', 'id.orig_h']) {
    const ip = address(text(alert, 'data.' + field))
    if (ip) return ip
  }
  return address(text(alert, 'data.aws.sourceIPAddress', 'data.office365.ClientIP', 'data.gcp.protoPayload.requestMetadata.callerIp'))
}

const withoutDomain = s => s === null ? null : /^[^\\]+\\+(.+)$/.exec(s)?.[1] ?? s

// windowsAccount is who logs on, or fails to: the target, or where there is none the subject.
const windowsAccount = alert => withoutDomain(text(alert, 'data.win.eventdata.targetUserName', 'data.win.eventdata.samAccountName',
  ...(text(alert, 'data.win.eventdata.targetUserSid', 'data.win.eventdata.targetSid') ? [] :
    ['data.win.eventdata.subjectUserName', 'data.win.eventdata.user', 'data.win.eventdata.accountName'])))

// windowsStatus is why a logon failed: the finer of the two codes, unless it is zero.
function windowsStatus(alert) {
  const finer = text(alert, 'data.win.eventdata.subStatus')
  const status = text(alert, 'data.win.eventdata.status', 'data.win.eventdata.failureCode', 'data.win.eventdata.errorCode')
  return finer === null || status !== null && /^0x0+$/.test(finer) ? status : finer
}

// techniques returns id and name of each technique of the rule; the name only when there are as many.
function techniques(alert) {
  const ids = list(alert, 'rule.mitre.id').filter(id => /^T\d{4}(\.\d{3})?$/.test(id)), names = list(alert, 'rule.mitre.technique')
  return ids.map((id, i) => ({ id, name: names.length === ids.length ? names[i] : null }))
}

function byTechnique(alerts) {
  const found = new Map()
  for (const alert of alerts) {
    for (const { id, name } of techniques(alert)) {
      if (!found.has(id)) found.set(id, { alerts: new Set(), names: [] })
      found.get(id).alerts.add(alert)
      if (name !== null) found.get(id).names.push(name)
    }
  }
  return [...found].map(([id, f]) => ({ id, alerts: [...f.alerts], name: f.names.sort().at(-1) ?? null }))
}

// hashesOf are the fingerprints that an alert of these kinds names.
function hashesOf(alert) {
  const found = []
  if (has(alert, 'syscheck')) {
    for (const kind of ['md5', 'sha1', 'sha256']) found.push(text(alert, `syscheck.${kind}_after`, `syscheck.${kind}_before`))
  }
  if (isSysmon(alert)) {
    const all = text(alert, 'data.win.eventdata.hashes', 'data.win.eventdata.hash')
    for (const part of all?.split(',') ?? []) found.push(part.split('=')[1] ?? null)
  }
  if (text(alert, 'data.virustotal.error') === null) found.push(text(alert, 'data.virustotal.source.md5'), text(alert, 'data.virustotal.source.sha1'))
  found.push(text(alert, 'data.sysmon.hash'))
  return new Set(found.filter(h => h !== null && !nothing.has(h)))
}

// ipFields are the fields in which an address of an alert becomes one that is searched for.
const ipFields = [
  'agent.ip', 'agentless.host', 'data.srcip', 'data.dstip', 'data.src_ip', 'data.source_ip', 'data.source_address', 'data.src', 'data.client_ip',
  'data.remote_ip', 'data.remoteAddr', 'data.ClientIP', 'data.id.orig_h', 'data.id.resp_h', 'data.dst_ip', 'data.dest_ip', 'data.destination_ip', 'data.destination_address', 'data.dst',
  'data.win.eventdata.ipAddress', 'data.win.eventdata.clientAddress',
  'data.aws.sourceIPAddress', 'data.aws.srcaddr', 'data.aws.dstaddr', 'data.aws.remote_ip', 'data.office365.ClientIP', 'data.github.actor_ip',
  'data.gcp.protoPayload.requestMetadata.callerIp', 'data.gcp.jsonPayload.sourceIP', 'data.gcp.c_ip', 'data.gcp.jsonPayload.connection.dest_ip',
  'data.callerIpAddress', 'data.osquery.columns.local_address', 'data.osquery.columns.remote_address', 'data.audit.addr',
]

const sysmonFields = ['data.win.eventdata.sourceIp', 'data.win.eventdata.destinationIp']

function addresses(alert) {
  const fields = isSysmon(alert) ? [...ipFields, ...sysmonFields] : [...ipFields]
  if (groups(alert).some(g => g.startsWith('authentication_'))) fields.push('data.ip_address')
  const found = new Set(fields.map(f => address(text(alert, f))).filter(ip => ip !== null))
  const location = text(alert, 'location')
  if (text(alert, 'agent.id') === '000' && isIP(location ?? '')) found.add(address(location))
  return found
}

// addressesOf returns the addresses of the corpus, the most frequent and the rarest first.
export function addressesOf(alerts) {
  const count = new Map()
  for (const alert of alerts) for (const ip of addresses(alert)) count.set(ip, (count.get(ip) ?? 0) + 1)
  const sorted = [...count].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([ip]) => ip)
  const mixed = []
  while (sorted.length > 0) mixed.push(sorted.shift(), ...sorted.splice(-1))
  return mixed
}

export const scans = {
  'failed-logons': alerts => grouped(alerts.filter(failedLogon), a => source(a) && [source(a)]).map(([[ip], of]) =>
    [ip, lines(of), distinct(of.map(agentName)), first(of), last(of)]),

  'windows-logons': alerts => grouped(alerts, a => ['4625', '4771', '4776'].includes(text(a, 'data.win.system.eventID')) ? [
    text(a, 'data.win.eventdata.logonType'),
    windowsStatus(a), windowsAccount(a), source(a)] : null).map(([key, of]) => [...key, of.length]),

  'fim-changes': alerts => alerts.filter(a => groups(a).includes('syscheck') && text(a, 'syscheck.path')).map(a => [
    a.time, agentName(a), value(a, 'syscheck.event') ?? null, text(a, 'syscheck.path'),
    text(a, 'syscheck.sha256_after', 'syscheck.sha256_before'),
    text(a, 'syscheck.sha256_after') === null ? null : value(a, 'syscheck.sha256_before') ?? null,
    withoutDomain(text(a, 'syscheck.audit.user.name', 'syscheck.audit.effective_user.name')),
    text(a, 'syscheck.audit.process.id') === null ? null : text(a, 'syscheck.audit.process.name')]),

  'open-cves': alerts => {
    const of = 'data.vulnerability.'
    const found = alerts.filter(a => groups(a).includes('vulnerability-detector') && text(a, of + 'cve'))
    const solved = a => text(a, of + 'status')?.toLowerCase() === 'solved'
    const key = a => [text(a, 'cluster.name', 'manager.name'), agentID(a), text(a, of + 'cve'), text(a, of + 'package.name'), text(a, of + 'package.version'),
      text(a, of + 'package.architecture')]
    const order = (a, b) => b.time - a.time || solved(b) - solved(a) || (a.uid < b.uid ? -1 : 1)
    return grouped(found, key).map(([, all]) => all.sort(order)[0]).filter(a => !solved(a)).map(a => [
      agentName(a), text(a, of + 'cve'), text(a, of + 'severity'), text(a, of + 'package.name'),
      text(a, of + 'package.name') === null ? null : text(a, of + 'package.version') ?? 'Unknown',
      /^Package less than (.*)$/.exec(text(a, of + 'package.condition') ?? '')?.[1].trim() ?? null, a.time])
  },

  'by-technique': alerts => byTechnique(alerts).map(t => [t.id, t.name, lines(t.alerts), distinct(t.alerts.map(agentID)), highest(t.alerts)]),

  'by-agent-and-level': alerts => grouped(alerts, a => [agentID(a), agentName(a), level(a), severity(level(a))]).map(([key, of]) => [...key, of.length]),

  'noisy-rules': alerts => grouped(alerts, a => [text(a, 'rule.id')]).map(([[id], of]) => [id, of.length,
    of.reduce((max, a) => value(a, 'rule.firedtimes') === undefined ? max : Math.max(max ?? 0, value(a, 'rule.firedtimes')), null),
    of.filter(a => value(a, 'rule.mail') === true).length, distinct(of.map(a => text(a, 'cluster.name')))]),

  indicator: (alerts, ip) => grouped(alerts.filter(a => addresses(a).has(ip)), () => [ip]).map(([, of]) =>
    [ip, lines(of), distinct(of.map(agentName)), first(of), last(of)]),

  hashes: alerts => {
    const found = new Map()
    for (const alert of alerts) for (const hash of hashesOf(alert)) found.set(hash, [...found.get(hash) ?? [], alert])
    return [...found].map(([hash, of]) => [hash, lines(of), distinct(of.map(agentName))])
  },

  duplicates: alerts => grouped(alerts, a => [a.uid]).filter(([, of]) => of.length > 1).map(([[uid], of]) => [uid, of.length, first(of)]),

  '2001-failed-logons': alerts => grouped(alerts.filter(failedLogon), a => {
    const ip = [text(a, 'data.srcip'), text(a, 'data.win.eventdata.ipAddress')].find(t => t && isIP(t))
    return ip ? [ip] : null
  }).map(([[ip], of]) => [ip, lines(of), distinct(of.map(agentName))]),

  '2001-by-technique': alerts => byTechnique(alerts).map(t => [t.id, lines(t.alerts), highest(t.alerts)]),

  // Which leaves are left over is the mapping's choice, so this scan cannot predict the query; it says what must be there
  // in any case, and unmappedFaults checks the rest.
  'unmapped-keys': null,
}

// unmappedFaults checks rows of [key, alerts, example] against the alerts: a key that no alert has, a count above the
// number of alerts that have it, an example that is no value of theirs, and keys that no class has an attribute for.
export function unmappedFaults(rows, alerts) {
  const count = new Map(), values = new Map()
  for (const alert of alerts) {
    for (const [path, leaf] of alert.leaves) {
      count.set(path, (count.get(path) ?? 0) + 1)
      values.set(path, (values.get(path) ?? new Set()).add(leaf !== null && typeof leaf === 'object' ? JSON.stringify(leaf) : String(leaf)))
    }
  }
  const faults = []
  for (const [key, n, example] of rows) {
    if (!count.has(key)) faults.push(`no alert has the key ${key}`)
    else if (n > count.get(key)) faults.push(`${key}: ${n} events, ${count.get(key)} alerts`)
    else if (!values.get(key).has(example)) faults.push(`${key}: no alert holds the example ${example}`)
  }
  for (const key of ['rule.mail', 'cluster.name']) {
    const n = rows.find(row => row[0] === key)?.[1] ?? 0
    if (n !== (count.get(key) ?? 0)) faults.push(`${key}: ${n} events, ${count.get(key)} alerts`)
  }
  return faults
}
