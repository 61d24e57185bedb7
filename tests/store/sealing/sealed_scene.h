// What the tests of encrypted entries share: a key, an entry on simulated files, and its journal taken apart.
// Threads: one. Blocks: never. Errors: a broken expectation is a failed REQUIRE. Cost: none worth naming. Lifetime:
// within one test.
#pragma once

#include <strandline/store/sealing/sealer.h>
#include <tests/store/entry_fixture.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace strandline::testing {

using namespace strandline::store;

inline SecretKey some_secret(unsigned char first = 0) {
  std::array<std::byte, SecretKey::kBytes> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(first + i);
  }
  return SecretKey(bytes);
}

struct SealedEntry : EntryFixture {
  SealedEntry() { options.secret = std::make_shared<const SecretKey>(some_secret()); }

  // One call writes a piece at the most. As the core does: again until all of it is written.
  std::string write(ByteRange range, std::uint64_t generation = 1) {
    std::size_t done = 0;
    const auto bytes = content(range, generation);
    while (done < bytes.size()) {
      const auto count = driver->write_at(range.begin + done, std::span(bytes).subspan(done));
      if (!count) {
        return says(count);
      }
      done += *count;
    }
    return "ok";
  }

  struct Record {
    RecordType type;
    std::vector<std::byte> payload;
  };
  // Takes the journal apart, has `edit` change it, and puts it together again, so that it is believed.
  void edit_journal(const std::function<void(JournalHeader&, std::vector<Record>&)>& edit) {
    const auto bytes = files->contents("entry.journal");
    auto header = required(decode_header(bytes));
    std::vector<Record> records;
    std::uint32_t chain = header.chain;
    for (std::size_t at = header.size; const auto record = decode_record(std::span(bytes).subspan(at), chain);) {
      records.push_back({static_cast<RecordType>(record->type), {record->payload.begin(), record->payload.end()}});
      at += record->size;
      chain = record->chain;
    }
    edit(header.header, records);
    JournalEncoder out;
    out.header(header.header);
    for (const Record& record : records) {
      out.record(record.type, record.payload);
    }
    files->set_contents("entry.journal", out.bytes());
  }
};

}  // namespace strandline::testing
