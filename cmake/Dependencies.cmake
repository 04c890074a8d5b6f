# Everything Sluice links, all from Debian 12 by package name (scripts/install-packages).
# Their headers are SYSTEM headers, so our warnings stay ours.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
find_package(OpenSSL 3 REQUIRED COMPONENTS SSL Crypto)
find_package(yaml-cpp 0.7 REQUIRED)
find_package(prometheus-cpp REQUIRED CONFIG)
find_package(spdlog 1.10 REQUIRED)
find_package(CLI11 2.1 REQUIRED)

find_package(PkgConfig REQUIRED)
pkg_check_modules(nghttp2 REQUIRED IMPORTED_TARGET libnghttp2>=1.52)
pkg_check_modules(cares REQUIRED IMPORTED_TARGET libcares>=1.18)
pkg_check_modules(zlib REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(brotli REQUIRED IMPORTED_TARGET libbrotlienc)
pkg_check_modules(brotli_decoder REQUIRED IMPORTED_TARGET libbrotlidec) # for tests
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(libcrypt REQUIRED IMPORTED_TARGET libcrypt)
pkg_check_modules(libargon2 REQUIRED IMPORTED_TARGET libargon2)
pkg_check_modules(re2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(pugixml REQUIRED IMPORTED_TARGET pugixml)
