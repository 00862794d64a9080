//! The suites of [`TipView`] and [`Inbound`]: the chain above, as the network sees it.

use std::collections::BTreeSet;

use health_chain::{
    data::{Block, BlockId, Header, Height, Transaction, TxId, codec, sha256},
    network::{
        Item, PeerId, Verdict,
        limits::{MAX_APP_BODY_BYTES, MAX_LOCATOR_IDS},
        ports::{Inbound, Local, TipView},
    },
};

/// Headers asked for at once: few, so that a short chain has several answers.
const PAGE: usize = 2;

/// Checks what a view says about its chain, which may be of any length. An implementation must
///
/// - know the headers that it names, and begin its locator at the best of them and end it at the first;
/// - hand out its headers in pages that link, from whatever it is asked to begin with up to its tip;
/// - miss no body that it can serve, and serve nothing under another's id;
/// - list what waits once each, the most urgent first, and no more than asked for.
///
/// # Panics
/// With the rule that the view breaks.
pub fn tip_view(view: &dyn TipView) {
    let (tip, height) = view.tip();
    assert!(view.has_header(&tip), "the tip's header is known");
    assert!(!view.has_header(&BlockId(sha256(b"nobody's"))), "no header is known that nobody has made");
    assert!(view.block(&BlockId(sha256(b"nobody's"))).is_none(), "nor its block");
    assert!(view.transaction(&TxId(sha256(b"nobody's"))).is_none(), "nor a transaction");

    let locator = view.locator();
    assert!((1..=MAX_LOCATOR_IDS).contains(&locator.len()), "a locator that a peer reads");
    assert!(locator.iter().all(|id| view.has_header(id)), "a locator names known headers");
    assert_eq!(locator.iter().collect::<BTreeSet<_>>().len(), locator.len(), "and each once");
    hands_out_headers(view, *locator.last().expect("it has an id"), tip, height);

    let missing = view.missing_bodies(usize::MAX);
    assert!(missing.iter().all(|id| view.has_header(id) && view.block(id).is_none()), "what is missing is not here");
    assert!(view.missing_bodies(1).len() <= 1 && view.missing_bodies(0).is_empty(), "no more than asked for");
    what_waits(view);
}

fn hands_out_headers(view: &dyn TipView, first: BlockId, tip: BlockId, height: Height) {
    let (mut last, mut count) = (first, 0);
    loop {
        let page = view.headers_after(&[last], PAGE);
        assert!(page.len() <= PAGE, "no more headers than asked for");
        assert_eq!(
            view.headers_after(&[BlockId(sha256(b"nobody's")), last], PAGE),
            page,
            "an unknown id is passed over"
        );
        for header in &page {
            assert_eq!(header.parent, last, "headers stand one upon the other");
            assert!(view.has_header(&header.id()), "a header handed out is a known one");
            last = header.id();
            count += 1;
            if let Some(bytes) = view.block(&last) {
                let block: Block = codec::decode(&bytes).expect("a block that is served decodes");
                assert_eq!(block.id(), last, "the block that was asked for");
            }
        }
        if page.is_empty() {
            break;
        }
    }
    assert_eq!((last, count), (tip, height.0), "the headers lead to the tip, one for each height");
}

fn what_waits(view: &dyn TipView) {
    let waiting = view.waiting(usize::MAX);
    assert_eq!(waiting.iter().map(Item::hash).collect::<BTreeSet<_>>().len(), waiting.len(), "each item once");
    assert!(waiting.is_sorted_by_key(Item::priority), "the most urgent first");
    assert_eq!(view.waiting(1), waiting[..waiting.len().min(1)], "no more than asked for, and the first of them");
    for item in &waiting {
        let id = TxId(item.hash());
        let bytes = view.transaction(&id).expect("what waits can be served");
        let transaction: Transaction = codec::decode(&bytes).expect("a transaction that is served decodes");
        assert_eq!(transaction.id(), id, "the transaction that was asked for");
    }
}

/// Checks that nothing senseless is taken from anybody: bytes that are no block and no transaction, headers that stand on nothing.
///
/// # Panics
/// With the rule that the implementation breaks.
pub fn inbound(inbound: &mut dyn Inbound) {
    let peer = PeerId(sha256(b"somebody"));
    for bytes in [vec![], vec![0], vec![0xff; 1], vec![0; 300], vec![0xff; 300], vec![0x80; 100_000]] {
        assert!(is_refusal(inbound.block(&bytes)), "no block");
        assert!(is_refusal(inbound.transaction(&bytes)), "no transaction");
        inbound.engine(bytes.clone());
        let answer = inbound.request(&peer, &bytes).unwrap_or_default();
        assert!(answer.len() <= MAX_APP_BODY_BYTES, "an answer that travels");
    }
    let stray = Header {
        version: 1,
        parent: BlockId(sha256(b"nobody's")),
        root: sha256(b"root"),
        time: health_chain::data::Timestamp(1),
        seal: vec![],
    };
    assert_eq!(inbound.headers(&[stray]), Verdict::Ignored, "that a parent is unknown here is nobody's fault");
}

/// What a chain is offered.
#[derive(Debug, Clone)]
pub struct Offers {
    /// Three blocks or more on top of the tip, lowest first.
    pub blocks: Vec<Block>,
    /// A header on top of the tip that breaks a rule.
    pub false_header: Header,
    /// A block on top of the last of `blocks` that breaks a rule.
    pub false_block: Block,
    /// A transaction that can wait, when all of `blocks` are there.
    pub transaction: Transaction,
    /// A transaction that breaks a rule whatever the tip.
    pub false_transaction: Transaction,
}

/// Checks a chain in both of its roles: what it makes of `offers`, and that its view follows. It must
///
/// - take what is new and valid and say so, know it when it comes again, and take blocks in any order;
/// - blame nobody for what it can't judge yet, and give the rule where something breaks one;
/// - keep no trace of what breaks a rule;
///
/// and keep what [`tip_view`] and [`inbound`] ask for, before and after.
///
/// # Panics
/// With the rule that the chain breaks.
pub fn local(local: &mut dyn Local, offers: &Offers) {
    let Offers { blocks, false_header, false_block, transaction, false_transaction } = offers;
    let (before, _) = local.tip();
    tip_view(local);
    inbound(local);
    takes_headers(local, blocks, false_header);
    assert_eq!(local.tip().0, before, "headers move no tip");

    let [first, second, rest @ ..] = &blocks[..] else { panic!("three blocks or more are to be offered") };
    let bytes = |block: &Block| codec::encode(block);
    assert!(!is_invalid(local.block(&bytes(second))), "a block whose parent is missing may come");
    assert_eq!(local.tip().0, before, "and waits");
    assert!(is_accepted(local.block(&bytes(first))), "the block that it waited for is worth relaying");
    assert_eq!(local.tip().0, second.id(), "both are the chain now");
    for block in rest {
        assert!(is_accepted(local.block(&bytes(block))), "a block on top of the tip is worth relaying");
    }
    for block in blocks {
        assert_eq!(local.block(&bytes(block)), Verdict::Known, "a block is new once");
        assert_eq!(TipView::block(local, &block.id()), Some(bytes(block)), "and is served as it came");
    }
    assert!(is_invalid(local.block(&bytes(false_block))), "a block that breaks a rule is somebody's fault");
    assert!(TipView::block(local, &false_block.id()).is_none(), "and is not kept");

    let (id, encoded) = (transaction.id(), codec::encode(transaction));
    assert!(is_accepted(Inbound::transaction(local, &encoded)), "a transaction that is new and valid");
    assert_eq!(Inbound::transaction(local, &encoded), Verdict::Known, "is new once");
    assert_eq!(TipView::transaction(local, &id), Some(encoded), "and is served as it came");
    assert_eq!(local.waiting(usize::MAX).iter().filter(|item| item.hash() == id.0).count(), 1, "and waits");
    let refused = codec::encode(false_transaction);
    assert!(is_invalid(Inbound::transaction(local, &refused)), "one that breaks a rule is somebody's fault");
    assert!(TipView::transaction(local, &false_transaction.id()).is_none(), "and does not wait");

    assert_eq!(local.tip().0, blocks[blocks.len() - 1].id(), "nothing refused has moved the tip");
    tip_view(local);
    inbound(local);
}

fn takes_headers(local: &mut dyn Local, blocks: &[Block], false_header: &Header) {
    let headers: Vec<Header> = blocks.iter().map(|block| block.header.clone()).collect();
    assert_eq!(local.headers(&headers[1..]), Verdict::Ignored, "headers whose parent is unknown are not judged");
    assert!(!local.has_header(&headers[1].id()), "nor kept");
    assert!(is_invalid(local.headers(std::slice::from_ref(false_header))), "a header that breaks a rule");
    assert!(!local.has_header(&false_header.id()), "is not kept");
    assert!(is_accepted(local.headers(&headers)), "headers that are new and valid");
    assert_eq!(local.headers(&headers), Verdict::Known, "are new once");
    let ids: Vec<BlockId> = headers.iter().map(Header::id).collect();
    assert_eq!(local.missing_bodies(usize::MAX), ids, "their bodies are to be fetched, the lowest first");
    assert_eq!(local.locator().first(), ids.last(), "the locator begins at the best header");
}

fn is_accepted(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Accepted(_))
}

fn is_invalid(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Invalid { rule } if !rule.is_empty())
}

fn is_refusal(verdict: Verdict) -> bool {
    verdict == Verdict::Ignored || is_invalid(verdict)
}
