//! What the genesis document says about tokens, fees and rewards.

use alloc::{collections::BTreeSet, string::String, vec::Vec};

use health_chain_data::{
    PublicKey, TokenId,
    codec::{self, Wire},
    genesis::Parameters,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::{MAX_DECIMALS, MAX_ISSUERS, MAX_PARAMETERS_BYTES, MAX_SYMBOL_BYTES, MAX_TOKENS};

/// The genesis section "incentive". [`crate::Ledger::new`] takes it only where [`IncentiveParameters::check`] passes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IncentiveParameters {
    /// The token in which fees are paid.
    pub fee_token: TokenId,
    /// Every token of the chain, in ascending order of ids.
    #[serde(deserialize_with = "codec::at_most::<MAX_TOKENS, _, _>")]
    pub tokens: Vec<TokenRule>,
    /// Blocks that must pass before a coinbase output may be spent: made at height h, it is spendable from h + this.
    pub coinbase_maturity: u32,
    /// What a block's maker may take.
    pub reward: Reward,
}

/// One fiat token and those who answer for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TokenRule {
    /// The token.
    pub token: TokenId,
    /// Its symbol, for people ("EUR").
    pub symbol: String,
    /// Decimal places of its major unit: 2 where amounts are cents.
    pub decimals: u8,
    /// How many issuers must sign a mint or redemption.
    pub threshold: u8,
    /// Who may sign.
    #[serde(deserialize_with = "codec::at_most::<MAX_ISSUERS, _, _>")]
    pub issuers: Vec<PublicKey>,
}

/// What a block's maker may take out of fees (paper 2.4; no coin is ever created).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Reward {
    /// All fees of the block, as the paper has it.
    Immediate,
    /// At most `fees * alpha_per_mille / 1000 + pool / window_blocks`, each quotient rounded down, where `pool` is what earlier
    /// blocks left. A reward of fees alone makes it profitable to undercut a rich block (Carlsten et al., CCS 2016).
    Smoothed {
        /// Share of the block's own fees, in thousandths.
        alpha_per_mille: u16,
        /// The pool is paid out over this many blocks.
        window_blocks: u32,
    },
}

/// A rule that the parameters break.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParametersError {
    /// More than [`MAX_TOKENS`] tokens.
    #[error("{count} tokens, where at most {MAX_TOKENS} are allowed")]
    TooManyTokens {
        /// How many.
        count: usize,
    },
    /// Token ids are not strictly ascending: out of order, or one occurs twice.
    #[error("token {token:?} does not stand in strictly ascending order")]
    TokenOrder {
        /// The token that stands wrong.
        token: TokenId,
    },
    /// The fee token is not among the tokens.
    #[error("the fee token {token:?} is not declared")]
    FeeTokenMissing {
        /// The fee token.
        token: TokenId,
    },
    /// A symbol is empty or longer than [`MAX_SYMBOL_BYTES`].
    #[error("the symbol of token {token:?} has {bytes} bytes, where 1 to {MAX_SYMBOL_BYTES} are allowed")]
    SymbolLength {
        /// The token.
        token: TokenId,
        /// Length of its symbol.
        bytes: usize,
    },
    /// Two tokens have the same symbol.
    #[error("symbol {symbol} is used twice")]
    DuplicateSymbol {
        /// The symbol.
        symbol: String,
    },
    /// More than [`MAX_DECIMALS`] decimal places.
    #[error("token {token:?} has {decimals} decimal places, where at most {MAX_DECIMALS} are allowed")]
    Decimals {
        /// The token.
        token: TokenId,
        /// How many.
        decimals: u8,
    },
    /// More than [`MAX_ISSUERS`] issuers.
    #[error("token {token:?} has {count} issuers, where at most {MAX_ISSUERS} are allowed")]
    TooManyIssuers {
        /// The token.
        token: TokenId,
        /// How many.
        count: usize,
    },
    /// The threshold is zero or above the number of issuers.
    #[error("token {token:?} needs {threshold} of {issuers} issuers")]
    Threshold {
        /// The token.
        token: TokenId,
        /// Its threshold.
        threshold: u8,
        /// How many issuers there are.
        issuers: usize,
    },
    /// An issuer occurs twice, so that one key would count as two.
    #[error("issuer {issuer} of token {token:?} occurs twice")]
    DuplicateIssuer {
        /// The token.
        token: TokenId,
        /// The issuer.
        issuer: PublicKey,
    },
    /// More than the whole of a block's fees.
    #[error("a share of {alpha_per_mille} thousandths of the fees is more than all of them")]
    AlphaOutOfRange {
        /// The share.
        alpha_per_mille: u16,
    },
    /// A window of no blocks.
    #[error("the pool can't be paid out over no blocks")]
    ZeroWindow,
}

impl Wire for IncentiveParameters {
    const MAX_BYTES: usize = MAX_PARAMETERS_BYTES;
}

impl Parameters for IncentiveParameters {
    const SECTION: &'static str = "incentive";
}

impl IncentiveParameters {
    /// Checks the parameters against each other.
    ///
    /// # Errors
    /// The first rule of [`ParametersError`] that they break.
    pub fn check(&self) -> Result<(), ParametersError> {
        let count = self.tokens.len();
        if count > MAX_TOKENS {
            return Err(ParametersError::TooManyTokens { count });
        }
        if let Some(pair) = self.tokens.windows(2).find(|pair| pair[0].token >= pair[1].token) {
            return Err(ParametersError::TokenOrder { token: pair[1].token });
        }
        let mut symbols = BTreeSet::new();
        for rule in &self.tokens {
            rule.check()?;
            if !symbols.insert(&rule.symbol) {
                return Err(ParametersError::DuplicateSymbol { symbol: rule.symbol.clone() });
            }
        }
        if self.token(self.fee_token).is_none() {
            return Err(ParametersError::FeeTokenMissing { token: self.fee_token });
        }
        self.reward.check()
    }

    /// The rule of a token, if the chain has it.
    pub fn token(&self, token: TokenId) -> Option<&TokenRule> {
        let position = self.tokens.binary_search_by_key(&token, |rule| rule.token).ok()?;
        self.tokens.get(position)
    }
}

impl TokenRule {
    fn check(&self) -> Result<(), ParametersError> {
        let token = self.token;
        let bytes = self.symbol.len();
        if bytes == 0 || bytes > MAX_SYMBOL_BYTES {
            return Err(ParametersError::SymbolLength { token, bytes });
        }
        if self.decimals > MAX_DECIMALS {
            return Err(ParametersError::Decimals { token, decimals: self.decimals });
        }
        let issuers = self.issuers.len();
        if issuers > MAX_ISSUERS {
            return Err(ParametersError::TooManyIssuers { token, count: issuers });
        }
        if self.threshold == 0 || usize::from(self.threshold) > issuers {
            return Err(ParametersError::Threshold { token, threshold: self.threshold, issuers });
        }
        let mut seen = BTreeSet::new();
        match self.issuers.iter().find(|issuer| !seen.insert(**issuer)) {
            Some(issuer) => Err(ParametersError::DuplicateIssuer { token, issuer: *issuer }),
            None => Ok(()),
        }
    }
}

impl Reward {
    const fn check(&self) -> Result<(), ParametersError> {
        match *self {
            Self::Smoothed { alpha_per_mille, .. } if alpha_per_mille > 1000 => {
                Err(ParametersError::AlphaOutOfRange { alpha_per_mille })
            }
            Self::Smoothed { window_blocks: 0, .. } => Err(ParametersError::ZeroWindow),
            Self::Immediate | Self::Smoothed { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, vec};

    use health_chain_data::SecretKey;

    use super::*;

    fn key(seed: u8) -> PublicKey {
        SecretKey::from_bytes(&[seed; 32]).unwrap().public_key()
    }

    fn sample() -> IncentiveParameters {
        let rule = |token, symbol: &str| TokenRule {
            token: TokenId(token),
            symbol: symbol.into(),
            decimals: 2,
            threshold: 2,
            issuers: vec![key(1), key(2), key(3)],
        };
        IncentiveParameters {
            fee_token: TokenId(1),
            tokens: vec![rule(1, "EUR"), rule(2, "CNY")],
            coinbase_maturity: 100,
            reward: Reward::Smoothed { alpha_per_mille: 500, window_blocks: 100 },
        }
    }

    #[test]
    fn the_largest_parameters_fit_their_limit() {
        let mut large = sample();
        large.tokens = (0..MAX_TOKENS)
            .map(|index| TokenRule {
                token: TokenId(u32::MAX - 100 + index as u32),
                symbol: format!("{index:0>MAX_SYMBOL_BYTES$}"),
                decimals: MAX_DECIMALS,
                threshold: MAX_ISSUERS as u8,
                issuers: (1..=MAX_ISSUERS as u8).map(key).collect(),
            })
            .collect();
        large.fee_token = large.tokens[0].token;
        assert_eq!(large.check(), Ok(()));
        assert_eq!(codec::decode(&codec::encode(&large)), Ok(large));
    }

    #[test]
    fn each_rule_has_its_refusal() {
        let refusal = |change: fn(&mut IncentiveParameters)| {
            let mut parameters = sample();
            change(&mut parameters);
            parameters.check().unwrap_err()
        };
        let token = TokenId(1);
        assert_eq!(sample().check(), Ok(()));
        assert_eq!(
            refusal(|p| p.tokens = vec![p.tokens[0].clone(); MAX_TOKENS + 1]),
            ParametersError::TooManyTokens { count: MAX_TOKENS + 1 }
        );
        assert_eq!(refusal(|p| p.tokens.swap(0, 1)), ParametersError::TokenOrder { token });
        assert_eq!(refusal(|p| p.tokens[1].token = TokenId(1)), ParametersError::TokenOrder { token });
        assert_eq!(refusal(|p| p.fee_token = TokenId(9)), ParametersError::FeeTokenMissing { token: TokenId(9) });
        assert_eq!(refusal(|p| p.tokens[0].symbol.clear()), ParametersError::SymbolLength { token, bytes: 0 });
        assert_eq!(
            refusal(|p| p.tokens[0].symbol = "x".repeat(MAX_SYMBOL_BYTES + 1)),
            ParametersError::SymbolLength { token, bytes: MAX_SYMBOL_BYTES + 1 }
        );
        assert_eq!(
            refusal(|p| p.tokens[1].symbol = "EUR".into()),
            ParametersError::DuplicateSymbol { symbol: "EUR".into() }
        );
        assert_eq!(refusal(|p| p.tokens[0].decimals = 19), ParametersError::Decimals { token, decimals: 19 });
        assert_eq!(
            refusal(|p| p.tokens[0].issuers = vec![p.tokens[0].issuers[0]; MAX_ISSUERS + 1]),
            ParametersError::TooManyIssuers { token, count: MAX_ISSUERS + 1 }
        );
        assert_eq!(
            refusal(|p| p.tokens[0].threshold = 0),
            ParametersError::Threshold { token, threshold: 0, issuers: 3 }
        );
        assert_eq!(
            refusal(|p| p.tokens[0].threshold = 4),
            ParametersError::Threshold { token, threshold: 4, issuers: 3 }
        );
        assert_eq!(
            refusal(|p| p.tokens[0].issuers[2] = p.tokens[0].issuers[0]),
            ParametersError::DuplicateIssuer { token, issuer: key(1) }
        );
        assert_eq!(
            refusal(|p| p.reward = Reward::Smoothed { alpha_per_mille: 1001, window_blocks: 1 }),
            ParametersError::AlphaOutOfRange { alpha_per_mille: 1001 }
        );
        assert_eq!(
            refusal(|p| p.reward = Reward::Smoothed { alpha_per_mille: 1000, window_blocks: 0 }),
            ParametersError::ZeroWindow
        );
    }
}
