// The methods that both sides know; messages are bytes, there is no protobuf.
const bytes = (value) => value;
const method = (name, requestStream, responseStream) => ({
  path: `/test.Echo/${name}`, requestStream, responseStream,
  requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes,
});

module.exports = {
  Unary: method("Unary", false, false),
  Collect: method("Collect", true, false),
  Count: method("Count", false, true),
  Talk: method("Talk", true, true),
  Fail: method("Fail", false, false),
  Hang: method("Hang", false, false),
  HangAfterOne: method("HangAfterOne", false, true),
};
