import { expect, test } from '@jest/globals'
import { DownloadPlaces } from './download-places.ts'

test('a source has 32 places, and gives each back once', () => {
  const places = new DownloadPlaces()
  const taken = Array.from({ length: 32 }, () => places.take('10.0.0.1'))
  expect(taken.every((leave) => leave !== undefined)).toBe(true)
  expect(places.take('10.0.0.1')).toBeUndefined()
  expect(places.take('10.0.0.2')).toBeDefined()
  taken[0]!()
  taken[0]!()
  expect(places.take('10.0.0.1')).toBeDefined()
  expect(places.take('10.0.0.1')).toBeUndefined()
})

test('all sources together have 256 places', () => {
  const places = new DownloadPlaces()
  const taken = Array.from({ length: 257 }, (_, i) => places.take(`10.0.${i % 10}.1`))
  expect(taken.filter((leave) => leave !== undefined)).toHaveLength(256)
  expect(taken[256]).toBeUndefined()
})
