// Asio, compiled once for the whole program: the build defines BOOST_ASIO_SEPARATE_COMPILATION for
// every file, so nothing else instantiates its non-template parts.
//
// Boost.Beast needs nothing here: it stays header-only and finds its Asio in this object. Neither
// does TLS: net/stream drives OpenSSL itself, so asio::ssl is not part of the program.
#include <boost/asio/impl/src.hpp>
