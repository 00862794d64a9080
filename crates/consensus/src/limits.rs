//! Every limit of the consensus layer. The unit stands last in each name.

/// How many blocks the median time past looks back over (Bitcoin's value).
pub const MEDIAN_TIME_BLOCKS: usize = 11;
/// Headers kept on branches that are neither connected nor the heaviest known, or as many as are connected, if those are more. Beyond it
/// the lightest are forgotten, so cheap branches from the chain's easy beginnings push out each other and never a branch
/// near the tip. With what the store keeps of them, about 24 MB; and since a branch may be as long as the chain, no fork is too old to be caught up with.
pub const MAX_SIDE_HEADERS: usize = 24_576;
/// One of so many side headers goes when there are too many: a margin, so that forgetting is rare and done in bulk.
pub const PRUNED_SHARE: usize = 8;
/// How far below the tip a block off the heaviest branch may be for its body to be kept, in blocks. Older ones are asked for
/// again if their branch ever becomes the heaviest.
pub const SIDE_BODY_DEPTH_BLOCKS: u32 = 288;
/// How far above the connected chain missing bodies are asked for, in blocks.
pub const BODY_WINDOW_BLOCKS: u32 = 1024;
/// Ids at the start of a locator that follow block by block; after them the distance doubles.
pub const DENSE_LOCATOR_IDS: usize = 10;
/// Ids of the longest locator: the dense ones, one per power of two of a height, and genesis.
pub const MAX_LOCATOR_IDS: usize = DENSE_LOCATOR_IDS + 33;
/// The longest depth that [`crate::reversal::depth_for`] looks at, in blocks.
pub const MAX_REVERSAL_DEPTH_BLOCKS: u32 = 10_000;
/// Validators of one chain: as many as fit into a seal, all of them signing, with as many to follow them.
pub const MAX_VALIDATORS: usize = 100;

const _: () = assert!(PRUNED_SHARE > 1 && MAX_SIDE_HEADERS > PRUNED_SHARE);
