// A build without OpenSSL says so, and leaves what is encrypted alone.
#include <tests/store/sealing/sealed_scene.h>
#include <tests/store/shared/scene.h>

#include <filesystem>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

TEST_CASE("encrypted: without OpenSSL a key is unsupported, and an encrypted entry denied") {
  CHECK_FALSE(Sealer::supported());
  const TempDir directory;
  StoreOptions options;
  options.key = some_secret();
  CHECK(says(Store::open((directory.path() / "store").native(), options)) == "!unsupported");
  CHECK_FALSE(std::filesystem::exists(directory.path() / "store"));
  SealedEntry entry;
  CHECK(entry.open() == "!unsupported");
  CHECK(entry.files->names().empty());
  entry.options.secret.reset();
  CHECK(entry.open() == "{}");
  entry.driver.reset();
  entry.edit_journal([](JournalHeader&, std::vector<SealedEntry::Record>& records) {
    records.push_back({RecordType::cipher, {}});
    put(records.back().payload, Cipher{});
  });
  const auto journal = entry.files->contents("entry.journal");
  CHECK(entry.open() == "!permission_denied");
  CHECK(entry.files->contents("entry.journal") == journal);
}
