import { describe, expect, test } from '@jest/globals'
import { parseDatabaseUrl } from './database-url.ts'

describe('the URL of a database', () => {
  test.each([
    'postgres://u:p@db.example:5432/muster?sslmode=verify-full',
    'postgresql:///muster?host=/run',
    'socket:/run',
  ])('%s is passed on as it is', (url) => {
    expect(parseDatabaseUrl(url)).toEqual({ urls: [url], writable: false })
  })

  test('several hosts are one URL each, and the one that takes writes is wanted', () => {
    expect(
      parseDatabaseUrl('postgres://u:p%40@a.example,10.0.0.2:5433,[2001:db8::1]:5434/muster?sslmode=require'),
    ).toEqual({
      urls: [
        'postgres://u:p%40@a.example/muster?sslmode=require',
        'postgres://u:p%40@10.0.0.2:5433/muster?sslmode=require',
        'postgres://u:p%40@[2001:db8::1]:5434/muster?sslmode=require',
      ],
      writable: true,
    })
  })

  test.each(['read-write', 'primary'])('one host must take writes when the URL says %s', (target) => {
    expect(parseDatabaseUrl(`postgres://u@a.example/muster?target_session_attrs=${target}&sslmode=require`)).toEqual({
      urls: ['postgres://u@a.example/muster?sslmode=require'],
      writable: true,
    })
  })

  test.each([
    ['a standby', 'postgres://u:CANARY@a,b/muster?target_session_attrs=standby'],
    ['any host', 'postgres://u:CANARY@a,b/muster?target_session_attrs=any'],
    ['an empty host', 'postgres://u:CANARY@a,,b/muster'],
    ['a port that is none', 'postgres://u:CANARY@a:x,b/muster'],
  ])('%s is refused, and the message has no password', (_what, url) => {
    expect(() => parseDatabaseUrl(url)).toThrow(/^(?!.*CANARY)/s)
  })
})
