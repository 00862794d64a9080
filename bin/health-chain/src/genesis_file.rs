//! `genesis.toml`: what all nodes of a chain agree on, as people read and write it.

use health_chain::{
    application::{
        council::Founder,
        identities::{ApplicationParameters, InitialInstitution},
    },
    consensus::{ConsensusParameters, Epochs, Validator},
    consensus_bft::BftParameters,
    data::{Amount, PublicKey, TokenId},
    incentive::{IncentiveParameters, Reward, StakeParameters, TokenRule},
};
use serde::{Deserialize, Serialize};

use crate::text::{CompactText, KeyText};

/// `genesis.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GenesisFile {
    /// The network's name.
    pub(crate) network: String,
    /// When the chain begins, in seconds since the Unix epoch.
    pub(crate) time: u32,
    /// How blocks are made.
    pub(crate) consensus: ConsensusRules,
    /// Caps on a block.
    pub(crate) block: BlockCaps,
    /// Fees and who gets them.
    pub(crate) fees: Fees,
    /// Who admits institutions.
    pub(crate) accreditation: Accreditation,
    /// The tokens, in ascending order of ids, and who answers for them.
    pub(crate) tokens: Vec<TokenEntry>,
    /// Institutions admitted from the start.
    #[serde(default)]
    pub(crate) institutions: Vec<InstitutionEntry>,
}

/// How blocks are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "engine", rename_all = "kebab-case", rename_all_fields = "snake_case", deny_unknown_fields)]
pub(crate) enum ConsensusRules {
    /// Whoever finds a hash below the target.
    Pow {
        /// Time between blocks that is aimed at, in seconds.
        interval_seconds: u32,
        /// How far behind its schedule the chain is when the target has doubled, in seconds.
        half_life_seconds: u32,
        /// The target of the first block.
        first_target: CompactText,
        /// The easiest target of any block.
        easiest_target: CompactText,
    },
    /// One authority.
    Solo {
        /// The key that signs every block.
        authority: KeyText,
        /// Time between blocks, in seconds.
        interval_seconds: u32,
    },
    /// Institutions agree on every block; who belongs to them their council decides.
    Bft {
        /// How fast they agree.
        pace: Pace,
        /// When the council's decisions count.
        epochs: EpochEntry,
        /// Who decides at first.
        founders: Vec<FounderEntry>,
    },
    /// Whoever has bonded tokens agrees on every block.
    Pos {
        /// How fast they agree.
        pace: Pace,
        /// When bonds count, and how long they stay.
        epochs: EpochEntry,
        /// What is bonded, and what is lost.
        stake: StakeEntry,
        /// Keys that decide until enough is bonded.
        founders: Vec<KeyText>,
    },
}

/// How fast validators agree, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pace {
    /// Rest after a block.
    interval_millis: u32,
    /// How long a proposal may take.
    propose_millis: u32,
    /// How long votes may take.
    vote_millis: u32,
    /// How much longer with each round.
    round_millis: u32,
    /// Until a validator that waits repeats itself.
    rebroadcast_millis: u32,
}

/// When sets of validators change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EpochEntry {
    /// After every so many blocks; 0 for never.
    blocks: u32,
    /// For how many blocks validators answer for what they said, and bonds stay after notice.
    evidence_blocks: u32,
}

/// What is bonded, and what is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StakeEntry {
    /// The id of the token.
    token: u32,
    /// What one vote costs.
    unit: u64,
    /// Votes that all bonds together must have to count.
    least_power: u64,
    /// What an offender loses, in thousandths.
    slash_per_mille: u16,
}

/// A first seat in the council.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FounderEntry {
    /// Key of one of the institutions below.
    institution: KeyText,
    /// The key that signs its votes: its node's identity.
    key: KeyText,
    /// How many it has.
    power: u32,
}

/// Caps on a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlockCaps {
    max_block_bytes: u32,
    max_signature_checks: u32,
    max_future_seconds: u32,
}

/// Fees and who gets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fees {
    /// The id of the token in which fees are paid.
    token: u32,
    /// Blocks that pass before a reward may be spent.
    coinbase_maturity: u32,
    reward: RewardText,
}

/// What a block's maker may take of the fees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case", rename_all_fields = "snake_case", deny_unknown_fields)]
enum RewardText {
    /// All fees of the block.
    Immediate,
    /// A share of the block's fees, and a part of what earlier blocks left.
    Smoothed { share_per_mille: u16, window_blocks: u32 },
}

/// A token and who answers for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenEntry {
    id: u32,
    symbol: String,
    decimals: u8,
    /// How many issuers sign a mint or redemption.
    threshold: u8,
    issuers: Vec<KeyText>,
}

/// Who admits institutions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accreditation {
    /// How many of the keys sign.
    threshold: u8,
    keys: Vec<KeyText>,
}

/// An institution admitted from the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InstitutionEntry {
    name: String,
    key: KeyText,
}

/// The euro, by its number in ISO 4217.
const EURO: u32 = 978;
/// Votes for the development chain's bonds to count: a thousand euros.
const DEVELOPMENT_LEAST_POWER: u64 = 10;
/// A hundred euros, in cents.
const DEVELOPMENT_UNIT: u64 = 10_000;
/// Few enough to see a set change.
const DEVELOPMENT_EPOCHS: EpochEntry = EpochEntry { blocks: 10, evidence_blocks: 100 };
/// Few enough to see a reward spent.
const DEVELOPMENT_MATURITY_BLOCKS: u32 = 10;

const HEADING: &str = "\
# What all nodes of this chain agree on. The chain's id is a hash over it: whoever changes anything here begins another chain,
# so it can be changed only before the first block, and everybody who joins needs exactly this file.
#
# [consensus]      how blocks are made: engine \"pow\" (proof of work: public), \"pos\" (bonded stake: public), \"bft\" (institutions
#                  agree: a consortium) or \"solo\" (one authority signs every block: private)
# [block]          caps on a block
# [fees]           the token in which fees are paid, and what a block's maker may take of them (\"immediate\" or \"smoothed\")
# [accreditation]  who admits institutions, and how many of them must sign
# [[tokens]]       tokens, in ascending order of ids, and how many of which issuers sign a mint or redemption
# [[institutions]] institutions admitted from the start: name and key

";

impl ConsensusRules {
    /// Institutions with one vote each.
    pub(crate) fn development_bft(founders: &[InstitutionEntry]) -> Self {
        let founder = |entry: &InstitutionEntry| FounderEntry { institution: entry.key, key: entry.key, power: 1 };
        let founders = founders.iter().map(founder).collect();
        Self::Bft { pace: Pace::of(&BftParameters::equal([])), epochs: DEVELOPMENT_EPOCHS, founders }
    }

    /// Keys with one vote each, until euros are bonded.
    pub(crate) fn development_pos(founders: &[InstitutionEntry]) -> Self {
        let stake = StakeEntry {
            token: EURO,
            unit: DEVELOPMENT_UNIT,
            least_power: DEVELOPMENT_LEAST_POWER,
            slash_per_mille: 500,
        };
        let pace = Pace::of(&BftParameters::equal([]));
        Self::Pos {
            pace,
            epochs: DEVELOPMENT_EPOCHS,
            stake,
            founders: founders.iter().map(|entry| entry.key).collect(),
        }
    }
}

impl Pace {
    const fn of(parameters: &BftParameters) -> Self {
        Self {
            interval_millis: parameters.interval_millis,
            propose_millis: parameters.propose_millis,
            vote_millis: parameters.vote_millis,
            round_millis: parameters.round_millis,
            rebroadcast_millis: parameters.rebroadcast_millis,
        }
    }

    /// The engine's parameters.
    pub(crate) const fn parameters(self, epochs: EpochEntry, validators: Vec<Validator>) -> BftParameters {
        BftParameters {
            validators,
            epochs: Epochs { blocks: epochs.blocks, evidence_blocks: epochs.evidence_blocks },
            interval_millis: self.interval_millis,
            propose_millis: self.propose_millis,
            vote_millis: self.vote_millis,
            round_millis: self.round_millis,
            rebroadcast_millis: self.rebroadcast_millis,
        }
    }
}

impl InstitutionEntry {
    pub(crate) const fn new(name: String, key: KeyText) -> Self {
        Self { name, key }
    }
}

impl FounderEntry {
    pub(crate) const fn validator(&self) -> Validator {
        Validator { key: self.key.0, power: self.power }
    }

    pub(crate) const fn founder(&self) -> Founder {
        Founder { institution: self.institution.0, key: self.key.0, power: self.power }
    }
}

impl StakeEntry {
    /// Section "stake" of the genesis document.
    pub(crate) const fn parameters(self) -> StakeParameters {
        StakeParameters {
            token: TokenId(self.token),
            unit: Amount(self.unit),
            least_power: self.least_power,
            slash_per_mille: self.slash_per_mille,
        }
    }
}

impl GenesisFile {
    /// A chain whose founders are its institutions and admit others, more than two thirds of them together. The first one mints euros.
    pub(crate) fn development(
        network: String,
        time: u32,
        consensus: ConsensusRules,
        founders: Vec<InstitutionEntry>,
    ) -> Self {
        let caps = ConsensusParameters::default();
        let keys: Vec<KeyText> = founders.iter().map(|founder| founder.key).collect();
        let threshold = u8::try_from(keys.len() * 2 / 3 + 1).unwrap_or(u8::MAX);
        Self {
            network,
            time,
            consensus,
            block: BlockCaps {
                max_block_bytes: caps.max_block_bytes,
                max_signature_checks: caps.max_signature_checks,
                max_future_seconds: caps.max_future_seconds,
            },
            fees: Fees {
                token: EURO,
                coinbase_maturity: DEVELOPMENT_MATURITY_BLOCKS,
                reward: RewardText::Smoothed { share_per_mille: 500, window_blocks: 100 },
            },
            accreditation: Accreditation { threshold, keys: keys.clone() },
            tokens: vec![TokenEntry {
                id: EURO,
                symbol: "EUR".into(),
                decimals: 2,
                threshold: 1,
                issuers: keys.into_iter().take(1).collect(),
            }],
            institutions: founders,
        }
    }

    /// The file, with a word on each section.
    pub(crate) fn to_file(&self) -> Result<String, toml::ser::Error> {
        Ok(format!("{HEADING}{}", toml::to_string_pretty(self)?))
    }

    /// Section "consensus" of the genesis document.
    pub(crate) const fn limits(&self) -> ConsensusParameters {
        let BlockCaps { max_block_bytes, max_signature_checks, max_future_seconds } = self.block;
        ConsensusParameters { max_block_bytes, max_signature_checks, max_future_seconds }
    }

    /// Section "incentive" of the genesis document.
    pub(crate) fn incentive(&self) -> IncentiveParameters {
        IncentiveParameters {
            fee_token: TokenId(self.fees.token),
            tokens: self.tokens.iter().map(TokenEntry::rule).collect(),
            coinbase_maturity: self.fees.coinbase_maturity,
            reward: match self.fees.reward {
                RewardText::Immediate => Reward::Immediate,
                RewardText::Smoothed { share_per_mille, window_blocks } => {
                    Reward::Smoothed { alpha_per_mille: share_per_mille, window_blocks }
                }
            },
        }
    }

    /// Section "application" of the genesis document.
    pub(crate) fn application(&self) -> ApplicationParameters {
        let institution = |entry: &InstitutionEntry| InitialInstitution { name: entry.name.clone(), key: entry.key.0 };
        ApplicationParameters {
            accreditors: keys(&self.accreditation.keys),
            threshold: self.accreditation.threshold,
            institutions: self.institutions.iter().map(institution).collect(),
        }
    }
}

impl TokenEntry {
    fn rule(&self) -> TokenRule {
        TokenRule {
            token: TokenId(self.id),
            symbol: self.symbol.clone(),
            decimals: self.decimals,
            threshold: self.threshold,
            issuers: keys(&self.issuers),
        }
    }
}

fn keys(texts: &[KeyText]) -> Vec<PublicKey> {
    texts.iter().map(|text| text.0).collect()
}

#[cfg(test)]
mod tests {
    use health_chain::data::SecretKey;

    use super::*;

    fn sample(consensus: impl FnOnce(&[InstitutionEntry]) -> ConsensusRules) -> GenesisFile {
        let founder = |seed| {
            let key = SecretKey::from_bytes(&[seed; 32]).unwrap().public_key();
            InstitutionEntry::new(format!("founder {seed}"), KeyText(key))
        };
        let founders: Vec<InstitutionEntry> = (1..=4).map(founder).collect();
        GenesisFile::development("test".into(), 1_800_000_000, consensus(&founders), founders)
    }

    fn solo(founders: &[InstitutionEntry]) -> ConsensusRules {
        ConsensusRules::Solo { authority: founders[0].key, interval_seconds: 5 }
    }

    #[test]
    fn the_file_reads_back() {
        let pow = sample(|_| ConsensusRules::Pow {
            interval_seconds: 10,
            half_life_seconds: 3600,
            first_target: CompactText(0x1e00_ffff),
            easiest_target: CompactText(0x207f_ffff),
        });
        let bft = sample(ConsensusRules::development_bft);
        let pos = sample(ConsensusRules::development_pos);
        for file in [pow, sample(solo), bft, pos] {
            assert_eq!(file.accreditation.threshold, 3, "of four");
            let text = file.to_file().unwrap();
            assert_eq!(toml::from_str::<GenesisFile>(&text).unwrap(), file, "{text}");
        }
    }

    #[test]
    fn unknown_fields_are_refused_wherever_they_stand() {
        let text = sample(solo).to_file().unwrap();
        for section in ["[consensus]", "[block]", "[fees]", "[accreditation]", "[[tokens]]", "[[institutions]]"] {
            let changed = text.replacen(&format!("\n{section}\n"), &format!("\n{section}\nunknown = 1\n"), 1);
            assert_ne!(changed, text, "{section}");
            assert!(toml::from_str::<GenesisFile>(&changed).is_err(), "{section}");
        }
    }
}
