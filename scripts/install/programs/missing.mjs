// Without the optional dependency importing works, and the first use says what is missing.
import { AsyncFdError, ErrorCode } from 'asyncfd'
import { pipe } from 'asyncfd/sys'

try {
  pipe()
} catch (error) {
  if (!(error instanceof AsyncFdError) || error.code !== ErrorCode.BINDING) throw error
  console.log(`${error.code}: ${error.message}`)
}
