//! Any shares, as many as the threshold says, are the key; fewer are none; and what is false is found.
#![allow(clippy::unwrap_used)]

use health_chain_contract::{
    limits::MAX_SHARES,
    sharing::{Dealt, SHARE_BYTES, Share, SharingError, deal},
};
use proptest::prelude::*;

/// A dealing, and its shares in some order.
fn dealings() -> impl Strategy<Value = (Dealt, Vec<Share>)> {
    let sizes = (2..=MAX_SHARES).prop_flat_map(|shares| (2..=shares, Just(shares)));
    let dealt = (sizes, any::<[u8; 32]>())
        .prop_map(|((threshold, shares), entropy)| deal(threshold, shares, &entropy).unwrap());
    dealt.prop_flat_map(|dealt| {
        let shuffled = Just(dealt.shares.clone()).prop_shuffle();
        let Dealt { commitments, shares, key } = dealt;
        shuffled.prop_map(move |shuffled| {
            (Dealt { commitments: commitments.clone(), shares: shares.clone(), key }, shuffled)
        })
    })
}

proptest! {
    #[test]
    fn any_shares_up_to_the_threshold_are_the_key((dealt, shares) in dealings()) {
        let threshold = dealt.commitments.threshold();
        let key = dealt.commitments.combine(&shares[..threshold]).unwrap();
        prop_assert_eq!(key.public_key(), dealt.key);
        prop_assert_eq!(dealt.commitments.combine(&shares).unwrap().public_key(), dealt.key, "more do no harm");
        let few = dealt.commitments.combine(&shares[..threshold - 1]).err();
        prop_assert_eq!(few, Some(SharingError::TooFew { found: threshold - 1, threshold }));
    }

    #[test]
    fn a_repeated_share_counts_for_nothing((dealt, shares) in dealings()) {
        let mut repeated = shares[..dealt.commitments.threshold() - 1].to_vec();
        let position = repeated[0].position();
        repeated.push(repeated[0].clone());
        prop_assert_eq!(dealt.commitments.combine(&repeated).err(), Some(SharingError::Repeated { position }));
    }

    #[test]
    fn a_share_is_read_back_and_any_other_is_false(
        (dealt, shares) in dealings(), bit in 0..SHARE_BYTES * 8, moved in any::<u8>(),
    ) {
        let share = &shares[0];
        let (position, bytes) = (share.position(), share.to_bytes());
        let read = dealt.commitments.share(position, &bytes).unwrap();
        prop_assert_eq!(read.to_bytes(), share.to_bytes());
        let mut changed = *bytes;
        changed[bit / 8] ^= 1 << (bit % 8);
        let refused = dealt.commitments.share(position, &changed).err();
        prop_assert_eq!(refused, Some(SharingError::False { position }));
        prop_assume!(moved != position);
        let refused = dealt.commitments.share(moved, &bytes).err();
        prop_assert_eq!(refused, Some(SharingError::False { position: moved }));
    }

    #[test]
    fn shares_of_another_dealing_are_refused((dealt, shares) in dealings(), entropy in any::<[u8; 32]>()) {
        let other = deal(dealt.commitments.threshold(), shares.len(), &entropy).unwrap();
        prop_assume!(other.commitments != dealt.commitments);
        let (position, bytes) = (shares[0].position(), shares[0].to_bytes());
        prop_assert_eq!(other.commitments.share(position, &bytes).err(), Some(SharingError::False { position }));
        prop_assert_eq!(other.commitments.combine(&shares).err(), Some(SharingError::OtherSharing { position }));
    }
}
