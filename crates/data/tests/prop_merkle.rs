//! Properties of trees and proofs, on random lists.

use health_chain_data::{
    Hash,
    codec::{CodecError, decode, encode},
    merkle::{
        ConsistencyProof, Frontier, GrowingTree, InclusionProof, ProofError, Tree, leaf_hash, node_hash, root_of_hashes,
    },
    sha256,
};
use proptest::prelude::*;

/// The definition of RFC 6962, section 2.1, word by word.
fn tree_hash(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(b""),
        [leaf] => *leaf,
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            node_hash(&tree_hash(&leaves[..split]), &tree_hash(&leaves[split..]))
        }
    }
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|index| leaf_hash(&index.to_be_bytes())).collect()
}

#[test]
fn every_small_tree_has_the_root_of_the_definition() {
    for count in 0..140 {
        let leaves = leaves(count);
        assert_eq!(root_of_hashes(&leaves), tree_hash(&leaves), "{count} leaves");
        assert_eq!(Tree::new(&leaves).root(), tree_hash(&leaves), "{count} leaves");
    }
}

#[test]
fn every_proof_of_every_small_tree_holds() {
    for count in 1..70 {
        let leaves = leaves(count);
        let (tree, root) = (Tree::new(&leaves), root_of_hashes(&leaves));
        for (index, leaf) in leaves.iter().enumerate() {
            assert_eq!(tree.inclusion_proof(index as u64).unwrap().verify(leaf, &root), Ok(()), "{index} of {count}");
        }
        assert_eq!(tree.inclusion_proof(count as u64), None);
        for old in 0..=count {
            let proof = ConsistencyProof::build(&leaves, old as u64).unwrap();
            assert_eq!(proof.verify(&tree_hash(&leaves[..old]), &root), Ok(()), "{old} to {count}");
        }
        assert_eq!(ConsistencyProof::build(&leaves, count as u64 + 1), None);
    }
}

#[test]
fn a_growing_tree_answers_for_every_size_that_it_had() {
    let leaves = leaves(70);
    let tree: GrowingTree = leaves.iter().copied().collect();
    for size in 0..=leaves.len() {
        let (first, count) = (&leaves[..size], size as u64);
        assert_eq!(tree.root(count), Some(tree_hash(first)), "{size} leaves");
        let whole = Tree::new(first);
        for index in 0..=count {
            assert_eq!(tree.inclusion_proof(index, count), whole.inclusion_proof(index), "{index} of {size}");
        }
        for old in 0..=count + 1 {
            let proof = ConsistencyProof::build(first, old);
            assert_eq!(tree.consistency_proof(old, count), proof, "{old} to {size}");
        }
    }
    let beyond = leaves.len() as u64 + 1;
    assert_eq!(
        (tree.root(beyond), tree.inclusion_proof(0, beyond), tree.consistency_proof(0, beyond)),
        (None, None, None)
    );
}

#[test]
fn a_list_with_a_repeated_tail_has_another_root() {
    for count in 1..40 {
        let list = leaves(count);
        for tail in 1..=count {
            let repeated = [&list[..], &list[count - tail..]].concat();
            assert_ne!(root_of_hashes(&repeated), root_of_hashes(&list), "{count} leaves, {tail} repeated");
        }
    }
}

#[test]
fn sizes_at_the_edge_of_64_bits_are_handled() {
    let path = vec![Hash::ZERO; 64];
    for (leaf_index, tree_size) in [(u64::MAX - 1, u64::MAX), (0, u64::MAX), (u64::MAX, u64::MAX), (0, 0)] {
        let proof = InclusionProof { leaf_index, tree_size, path: path.clone() };
        assert!(proof.verify(&Hash::ZERO, &Hash::ZERO).is_err());
    }
    for (old_size, new_size) in [(1, u64::MAX), (u64::MAX - 1, u64::MAX), (1 << 63, u64::MAX), (u64::MAX, 1)] {
        let proof = ConsistencyProof { old_size, new_size, path: path.clone() };
        assert!(proof.verify(&Hash::ZERO, &Hash::ZERO).is_err());
    }
}

#[test]
fn a_proof_of_more_hashes_than_any_tree_has_is_refused_before_it_is_read() {
    let long = InclusionProof { leaf_index: 0, tree_size: 9, path: vec![Hash::ZERO; 65] };
    let bytes = encode(&long);
    assert!(matches!(decode::<InclusionProof>(&bytes), Err(CodecError::TooLong { .. })));
    assert_eq!(decode::<InclusionProof>(&bytes[..100]), Err(CodecError::OutOfRange));
    assert_eq!(decode::<ConsistencyProof>(&bytes[..100]), Err(CodecError::OutOfRange));
}

proptest! {
    #[test]
    fn a_frontier_knows_the_root_at_every_size(count in 0_usize..300) {
        let leaves = leaves(count);
        let mut frontier = Frontier::new();
        for (size, leaf) in leaves.iter().enumerate() {
            prop_assert_eq!(frontier.size(), size as u64);
            frontier.append(*leaf);
        }
        prop_assert_eq!(frontier.root(), tree_hash(&leaves));
    }

    #[test]
    fn a_changed_inclusion_proof_is_refused(
        count in 1_usize..200, pick in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0_u8..8,
    ) {
        let leaves = leaves(count);
        let (root, index) = (root_of_hashes(&leaves), pick.index(count));
        let proof = InclusionProof::build(&leaves, index as u64).unwrap();
        prop_assert_eq!(decode::<InclusionProof>(&encode(&proof)), Ok(proof.clone()));

        let mut bytes = encode(&proof);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(changed) = decode::<InclusionProof>(&bytes) {
            // Another size that gives the same way is the same statement about the root: see the type's documentation.
            let same_way = changed.leaf_index == proof.leaf_index && changed.path == proof.path;
            prop_assert!(changed.verify(&leaves[index], &root).is_err() || same_way);
        }
        let mut longer = proof.clone();
        longer.path.push(root);
        prop_assert!(
            matches!(longer.verify(&leaves[index], &root), Err(ProofError::PathLength { .. })), "an extended path");
        let mut shorter = proof.clone();
        if shorter.path.pop().is_some() {
            prop_assert!(
                matches!(shorter.verify(&leaves[index], &root), Err(ProofError::PathLength { .. })), "a cut path");
        }
        for other in 0..count as u64 {
            let moved = InclusionProof { leaf_index: other, ..proof.clone() };
            prop_assert_eq!(moved.verify(&leaves[index], &root).is_ok(), other == index as u64);
        }
    }

    #[test]
    fn a_changed_consistency_proof_is_refused(
        count in 2_usize..200, pick in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0_u8..8,
    ) {
        let leaves = leaves(count);
        let old = 1 + pick.index(count - 1);
        let (old_root, new_root) = (root_of_hashes(&leaves[..old]), root_of_hashes(&leaves));
        let proof = ConsistencyProof::build(&leaves, old as u64).unwrap();
        prop_assert_eq!(decode::<ConsistencyProof>(&encode(&proof)), Ok(proof.clone()));

        let mut changed = proof.clone();
        let entry = at.index(changed.path.len());
        changed.path[entry].0[at.index(32)] ^= 1 << bit;
        prop_assert!(changed.verify(&old_root, &new_root).is_err());
        let mut longer = proof.clone();
        longer.path.push(new_root);
        prop_assert!(longer.verify(&old_root, &new_root).is_err());
        let mut shorter = proof.clone();
        shorter.path.pop();
        prop_assert!(shorter.verify(&old_root, &new_root).is_err());
        prop_assert_eq!(proof.verify(&new_root, &new_root), Err(if old.is_power_of_two() {
            ProofError::RootMismatch
        } else {
            ProofError::OldRootMismatch
        }));
        let rewritten = sha256(b"another history");
        prop_assert!(proof.verify(&old_root, &rewritten).is_err());
    }

    #[test]
    fn decoders_survive_anything(bytes in prop::collection::vec(any::<u8>(), 0..2200)) {
        if let Ok(proof) = decode::<InclusionProof>(&bytes) {
            let _ = proof.verify(&Hash::ZERO, &Hash::ZERO);
        }
        if let Ok(proof) = decode::<ConsistencyProof>(&bytes) {
            let _ = proof.verify(&Hash::ZERO, &Hash::ZERO);
        }
    }
}
