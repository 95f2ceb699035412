import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodePacket, PacketReader, type Received } from '../../../src/qemu/gdbstub-packet.js'

const read = (...chunks: (string | Uint8Array)[]): Received[] => {
  const reader = new PacketReader()
  return chunks.flatMap(chunk =>
    reader.push(typeof chunk === 'string' ? Buffer.from(chunk, 'latin1') : chunk),
  )
}

const packet = (text: string): string => {
  let sum = 0
  for (const byte of Buffer.from(text, 'latin1')) sum += byte
  return `$${text}#${(sum % 256).toString(16).padStart(2, '0')}`
}

describe('packets of the gdb protocol', () => {
  it('come out as they went in, whatever bytes they hold and however they are cut', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: 300 }), (bytes, cut) => {
        const text = Buffer.from(bytes).toString('latin1')
        const sent = encodePacket(text)
        expect(read(sent.subarray(0, cut), sent.subarray(cut))).toEqual([{ kind: 'packet', text }])
      }),
    )
  })

  it('have the checksum that the manual says', () => {
    expect(encodePacket('g').toString('latin1')).toBe('$g#67')
    expect(encodePacket('a#b').toString('latin1')).toBe(packet('a}\x03b'))
  })

  it('repeat a character as often as the one behind the star says', () => {
    // the manual's example: "0* " is "0000"
    expect(read(packet('0* '))).toEqual([{ kind: 'packet', text: '0000' }])
    expect(read(packet('xy*"z'))).toEqual([{ kind: 'packet', text: 'xyyyyyyz' }])
  })

  it('are told from acknowledgements, interrupts of them and notifications', () => {
    expect(read(`+-${packet('OK')}%Stop:T05#00`)).toEqual([
      { kind: 'ack' },
      { kind: 'nak' },
      { kind: 'packet', text: 'OK' },
      { kind: 'broken' },
    ])
    expect(read(packet('Stop').replace('$', '%'))).toEqual([{ kind: 'notification', text: 'Stop' }])
  })

  it('are broken when the checksum is wrong or none', () => {
    expect(read('$OK#00')).toEqual([{ kind: 'broken' }])
    expect(read('$OK#zz', packet('OK'))).toEqual([{ kind: 'broken' }, { kind: 'packet', text: 'OK' }])
  })

  it('begin anew where the sender did', () => {
    expect(read(`$gar${packet('OK')}`)).toEqual([{ kind: 'packet', text: 'OK' }])
  })

  it('end the stream when there is no end to them', () => {
    const reader = new PacketReader()
    let got: Received[] = reader.push(Buffer.from('$'))
    const chunk = Buffer.alloc(1 << 16, 0x61)
    for (let i = 0; i < 64 && got.length === 0; i++) got = reader.push(chunk)
    expect(got).toEqual([{ kind: 'noise' }])
  })

  it('end the stream when repeats blow them up', () => {
    const reader = new PacketReader()
    const bomb = `a${'*~'.repeat(300_000)}`
    expect(reader.push(Buffer.from(packet(bomb), 'latin1')).at(-1)).toEqual({ kind: 'noise' })
  })

  it('end the stream when something else is spoken', () => {
    expect(read('HTTP/1.1 400 Bad Request\r\n'.repeat(400)).at(-1)).toEqual({ kind: 'noise' })
  })

  it('never throw, whatever comes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 500 }), bytes => void read(bytes)))
  })
})
