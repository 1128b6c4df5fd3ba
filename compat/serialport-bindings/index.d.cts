export * from 'serialport-bindings-cpp'
