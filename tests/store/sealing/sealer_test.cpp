// Sealing a piece and opening it: what docs/format.md says, and nothing that has been tampered with.
#include <tests/store/sealing/sealed_scene.h>

#include <algorithm>
#include <initializer_list>
#include <set>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

template <std::size_t N>
std::array<std::byte, N> bytes_of(std::initializer_list<unsigned> values) {
  std::array<std::byte, N> bytes{};
  std::transform(values.begin(), values.end(), bytes.begin(), [](unsigned value) { return std::byte(value); });
  return bytes;
}

std::string opened(const Sealer& sealer, const Piece& piece, std::vector<std::byte> bytes) {
  auto done = sealer.open(piece, bytes, bytes);
  if (!done) {
    CHECK(std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; }));
    return says(done);
  }
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// Made with Python's `cryptography` from the words of docs/format.md.
Cipher example_cipher() {
  Cipher cipher;
  for (unsigned i = 0; i < cipher.salt.size(); ++i) {
    cipher.salt[i] = std::byte(0xa0 + i);
  }
  cipher.check =
      bytes_of<16>({0xd0, 0x2a, 0x97, 0x9b, 0x01, 0x42, 0x4b, 0x3d, 0x42, 0x1c, 0x9d, 0x2a, 0x99, 0x91, 0x4e, 0x1e});
  return cipher;
}
Piece example_piece() {
  Piece piece;
  piece.range = {65546, 65556};
  for (unsigned i = 0; i < piece.nonce.size(); ++i) {
    piece.nonce[i] = std::byte(0xc0 + i);
  }
  piece.tag =
      bytes_of<16>({0x3a, 0x5e, 0x87, 0x37, 0x7d, 0x8b, 0x87, 0x9e, 0x40, 0x42, 0x4e, 0x2d, 0x29, 0x2a, 0x87, 0x42});
  return piece;
}
const auto kSealed = bytes_of<10>({0xbc, 0xc1, 0xf5, 0x7a, 0xa0, 0x66, 0x64, 0x6e, 0x57, 0x6b});
std::vector<std::byte> example_bytes() {
  return {kSealed.begin(), kSealed.end()};
}

}  // namespace

TEST_CASE("sealer: the example of docs/format.md") {
  const auto sealer = required(Sealer::open(some_secret(), "films/a", 2, example_cipher()));
  CHECK(opened(*sealer, example_piece(), example_bytes()) == "0123456789");
}

TEST_CASE("sealer: another key, another entry's, another salt, another algorithm") {
  CHECK(says(Sealer::open(some_secret(1), "films/a", 2, example_cipher())) == "!permission_denied");
  CHECK(says(Sealer::open(some_secret(), "films/b", 2, example_cipher())) == "!permission_denied");
  Cipher cipher = example_cipher();
  cipher.salt[3] ^= std::byte{1};
  CHECK(says(Sealer::open(some_secret(), "films/a", 2, cipher)) == "!permission_denied");
  cipher = example_cipher();
  cipher.algorithm = 2;
  CHECK(says(Sealer::open(some_secret(), "films/a", 2, cipher)) == "!unsupported");
  // Of any length that a key may have.
  const auto longest = required(Sealer::begin(some_secret(), std::string(kMaxKey, 'k'), 1));
  CHECK(says(Sealer::open(some_secret(), std::string(kMaxKey, 'k'), 1, longest->cipher())) == "ok");
  CHECK(says(Sealer::open(some_secret(), std::string(kMaxKey - 1, 'k'), 1, longest->cipher())) == "!permission_denied");
}

TEST_CASE("sealer: no bit of the bytes, the nonce or the tag may change; nor the place, nor the generation") {
  const auto sealer = required(Sealer::open(some_secret(), "films/a", 2, example_cipher()));
  for (unsigned bit = 0; bit < 8; ++bit) {
    const auto flip = std::byte(1U << bit);
    for (std::size_t i = 0; i < kSealed.size(); ++i) {
      auto bytes = example_bytes();
      bytes[i] ^= flip;
      CHECK(opened(*sealer, example_piece(), bytes) == "!corrupt");
    }
    for (std::size_t i = 0; i < Piece{}.nonce.size(); ++i) {
      Piece piece = example_piece();
      piece.nonce[i] ^= flip;
      CHECK(opened(*sealer, piece, example_bytes()) == "!corrupt");
    }
    for (std::size_t i = 0; i < Piece{}.tag.size(); ++i) {
      Piece piece = example_piece();
      piece.tag[i] ^= flip;
      CHECK(opened(*sealer, piece, example_bytes()) == "!corrupt");
    }
  }
  for (const ByteRange elsewhere : {ByteRange{65545, 65555}, ByteRange{65547, 65557}, ByteRange{10, 20}}) {
    Piece piece = example_piece();
    piece.range = elsewhere;
    CHECK(opened(*sealer, piece, example_bytes()) == "!corrupt");
  }
  Piece shorter = example_piece();
  shorter.range.end -= 1;
  auto bytes = example_bytes();
  bytes.pop_back();
  CHECK(opened(*sealer, shorter, bytes) == "!corrupt");
  const auto later = required(Sealer::open(some_secret(), "films/a", 3, example_cipher()));
  CHECK(opened(*later, example_piece(), example_bytes()) == "!corrupt");
}

TEST_CASE("sealer: no nonce comes twice, and no version has the salt of another") {
  const auto sealer = required(Sealer::begin(some_secret(), "key", 1));
  std::set<std::array<std::byte, 12>> nonces{{}};
  std::vector<std::byte> bytes(10);
  for (int i = 0; i < 1000; ++i) {
    CHECK(nonces.insert(required(sealer->seal({0, 10}, content({0, 10}), bytes)).nonce).second);
  }
  CHECK(required(Sealer::begin(some_secret(), "key", 1))->cipher().salt != sealer->cipher().salt);
}

TEST_CASE("sealer: a whole block, one byte, and in place") {
  const auto sealer = required(Sealer::begin(some_secret(), "key", 7));
  for (const ByteRange range :
       {ByteRange{0, kPieceBlock}, ByteRange{kPieceBlock, kPieceBlock + 1}, ByteRange{kMaxOffset - 3, kMaxOffset}}) {
    auto bytes = content(range);
    const Piece piece = required(sealer->seal(range, bytes, bytes));
    // One byte of 256 is itself, encrypted.
    CHECK((range.size() < 16 || bytes != content(range)));
    CHECK(says(sealer->open(piece, bytes, bytes)) == "ok");
    CHECK(bytes == content(range));
  }
}
