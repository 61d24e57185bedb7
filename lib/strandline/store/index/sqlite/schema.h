// The tables of an index: made, configured, and known again.
// Threads: one at a time. Blocks: as the Database. Errors: as the Database; corrupt when they are not as they are made
// here. Cost: checking reads a page or two. Lifetime: none.
#pragma once

#include <strandline/store/index/sqlite/database.h>
#include <strandline/store/io/identity.h>

#include <cstdint>

namespace strandline::store {

// Makes the tables in an empty file, and configures the connection.
[[nodiscard]] Result<void> make_schema(Database& database, std::uint64_t generation, const BootId& boot) noexcept;

// A rebuild has finished: all that is left to be made, in the transaction that runs.
[[nodiscard]] Result<void> complete_schema(Database& database) noexcept;

// Configures the connection if the file has these tables and this generation; else it has changed nothing.
[[nodiscard]] Result<void> check_schema(Database& database, std::uint64_t generation) noexcept;

// Says durably, in a file that was closed in order, that it is in use; in one that was not, since the system last
// started, that changes may have been lost.
[[nodiscard]] Result<void> note_opened(Database& database, const BootId& boot) noexcept;

// Says durably that no change can be lost any more. Nobody else may have it open.
[[nodiscard]] Result<void> note_closed(Database& database) noexcept;

}  // namespace strandline::store
