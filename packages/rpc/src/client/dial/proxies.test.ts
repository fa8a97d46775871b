import { describe, expect, test } from '@jest/globals'
import { proxiesIn } from './proxies.ts'

const PROXY = 'http://proxy.example:3128'
const nameFor = (env: Record<string, string>, address = 'muster.example.com:3025') => proxiesIn(env)(address)?.name

describe('the proxy of the environment', () => {
  test.each<[string, Record<string, string>, string | undefined]>([
    ['no variable', {}, undefined],
    ['an empty variable', { https_proxy: ' ' }, undefined],
    ['https_proxy', { https_proxy: PROXY }, 'proxy.example:3128'],
    ['HTTPS_PROXY', { HTTPS_PROXY: PROXY }, 'proxy.example:3128'],
    ['http_proxy', { http_proxy: PROXY }, 'proxy.example:3128'],
    ['grpc_proxy before https_proxy', { grpc_proxy: 'http://other:1', https_proxy: PROXY }, 'other:1'],
    ['https_proxy before http_proxy', { http_proxy: 'http://other:1', https_proxy: PROXY }, 'proxy.example:3128'],
    ['a value without a scheme', { https_proxy: 'proxy.example:3128' }, 'proxy.example:3128'],
    ['a value without a port', { https_proxy: 'http://proxy.example/' }, 'proxy.example:80'],
    ['an IPv6 address', { https_proxy: 'http://[2001:db8::1]:3128' }, '[2001:db8::1]:3128'],
  ])('the proxy of %s', (_what, env, expected) => {
    expect(nameFor(env)).toBe(expected)
  })

  test('the user and password of a proxy become its authorization, decoded, and are not in its name', () => {
    const proxy = proxiesIn({ https_proxy: 'http://ada:p%40ss@proxy.example:3128' })('muster.example.com:3025')!
    expect(proxy.authorization).toBe(`Basic ${Buffer.from('ada:p@ss').toString('base64')}`)
    expect(proxy.name).toBe('proxy.example:3128')
  })

  test.each([
    'socks5://ada:canary@proxy:1080',
    'https://ada:canary@proxy',
    'http://ada:canary@',
    'http://ada:canary@a b',
  ])('a value that names no such proxy is refused when it is needed, and not repeated: %s', (value) => {
    const proxyFor = proxiesIn({ https_proxy: value })
    expect(proxyFor('127.0.0.1:3025')).toBeUndefined()
    expect(() => proxyFor('muster.example.com:3025')).toThrow(/^https_proxy must be http:\/\/\[USER:PASSWORD@\]HOST/)
    expect(() => proxyFor('muster.example.com:3025')).not.toThrow(/canary/)
  })

  test.each(['127.0.0.1:3025', '127.8.8.8:3025', '[::1]:3025', 'localhost:3025', 'LOCALHOST:3025', 'a.localhost:3025'])(
    'loopback is never proxied: %s',
    (address) => {
      expect(nameFor({ https_proxy: PROXY }, address)).toBeUndefined()
    },
  )

  test.each<[string, string, boolean]>([
    ['*', 'muster.example.com:3025', true],
    ['example.com', 'muster.example.com:3025', true],
    ['.example.com', 'muster.example.com:3025', true],
    ['*.example.com', 'muster.example.com:3025', true],
    ['Example.COM', 'muster.example.com.:3025', true],
    ['a.test, example.com', 'muster.example.com:3025', true],
    ['a.test example.com', 'muster.example.com:3025', true],
    ['ple.com', 'muster.example.com:3025', false],
    ['example.com:3025', 'muster.example.com:3025', true],
    ['example.com:443', 'muster.example.com:3025', false],
    ['10.0.0.5', '10.0.0.5:3025', true],
    ['0.0.5', '10.0.0.5:3025', false],
    ['10.0.0.0/8', '10.0.0.5:3025', true],
    ['10.0.0.0/8', '11.0.0.5:3025', false],
    ['10.0.0.0/33', '10.0.0.5:3025', false],
    ['2001:db8::/32', '[2001:db8::5]:3025', true],
    ['10.0.0.0/8', 'muster.example.com:3025', false],
  ])('the exception %s for %s', (exception, address, isDirect) => {
    for (const name of ['no_proxy', 'NO_PROXY', 'no_grpc_proxy']) {
      expect(nameFor({ https_proxy: PROXY, [name]: exception }, address) === undefined).toBe(isDirect)
    }
  })
})
