/**
 * A serial device: questions and answers in lines, each with a deadline. Here the device is the other end of a pseudo-terminal; with a
 * real one it is `sys.open('/dev/ttyUSB0', O_RDWR)`.
 */
import { Async, TimeoutError } from 'asyncfd'
import * as sys from 'asyncfd/sys'

const { master, slave } = sys.openpty()
sys.tcsetattr(slave, sys.makeRaw(sys.tcgetattr(slave))) // bytes as they are: no echo, no line editing

async function device(): Promise<void> {
  await using line = new Async(master, { owned: true })
  for await (const question of line.lines({ delimiter: '\r' })) {
    if (question === 'AT+TEMP?') await line.writeAll(Buffer.from('21.5\r'))
    // Anything else it does not understand, and says nothing.
  }
}

const answering = device()
{
  await using port = new Async(slave, { owned: true })
  const answers = port.lines({ delimiter: '\r', timeout: 200 })
  await port.writeAll(Buffer.from('AT+TEMP?\r'))
  const { value } = await answers.next()
  console.log(`it is ${value} degrees`)
  if (value !== '21.5') process.exitCode = 1

  await port.writeAll(Buffer.from('AT+NONSENSE\r'))
  const silence = await answers.next().catch((error: unknown) => error)
  console.log(silence instanceof TimeoutError ? 'no answer to nonsense' : silence)
  if (!(silence instanceof TimeoutError)) process.exitCode = 1
}
await answering // the end of the terminal is the end of its lines
