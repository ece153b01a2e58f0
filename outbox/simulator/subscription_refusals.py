"""What Zoho refuses of products, plans and subscriptions. Rules and recorded codes are the sheet's; codes above
101100 and their texts are guesses."""

from outbox.simulator.replies import Refusal


def product_in_use() -> Refusal:
    """Deletion refused (a guess)."""
    return Refusal(400, 101101, "Products with plans cannot be deleted. Instead, mark them as inactive.")


def plan_missing() -> Refusal:
    """400/101002, not 404 (recorded, sheet 0.7)."""
    return Refusal(400, 101002, "Invalid PlanCode.")


def plan_code_taken() -> Refusal:
    """A second plan of one code (the sheet knows no code for it)."""
    return Refusal(400, 101102, "Plan code already exists.")


def plan_in_use() -> Refusal:
    """Deletion refused: the specification allows it without transactions alone."""
    return Refusal(400, 101103, "Plans with transactions cannot be deleted. Instead, mark them as inactive.")


def plan_inactive() -> Refusal:
    """A subscription to a plan that is inactive (a guess)."""
    return Refusal(400, 101104, "The plan is inactive.")


def addon_missing() -> Refusal:
    """400/102001 (recorded); this simulator has no addons."""
    return Refusal(400, 102001, "Invalid AddonCode.")


def customer_inactive() -> Refusal:
    """A subscription for an inactive customer (a guess)."""
    return Refusal(400, 103101, "Subscriptions cannot be created for a customer that is inactive.")


def payment_method_missing() -> Refusal:
    """auto_collect without a card or an account: the specification asks for one of them."""
    return Refusal(400, 103102, "A card or a bank account is needed to collect automatically.")


def subscription_ended() -> Refusal:
    """A change of a subscription that is cancelled or expired (a guess)."""
    return Refusal(400, 103103, "The subscription has ended and cannot be changed.")


def reference_taken() -> Refusal:
    """A reference_id that another subscription has, where `unique_references` is on."""
    return Refusal(400, 103105, "A subscription with this reference id already exists.")


def already_cancelled() -> Refusal:
    """A second cancellation, where `refuse_second_cancel` is on (a guess, sheet 2.3)."""
    return Refusal(400, 103104, "The subscription is cancelled already.")


def not_non_renewing() -> Refusal:
    """A reactivation from another state (the rule is the specification's)."""
    return Refusal(400, 103105, "Only non-renewing subscriptions can be reactivated.")


def cannot_be_postponed() -> Refusal:
    """A renewal moved to an earlier day, or one that does not come (the rule is the specification's)."""
    return Refusal(400, 103106, "The renewal of a subscription can only be postponed.")


def nothing_scheduled() -> Refusal:
    """No end-of-term change, where `no_scheduled_changes` is refused (a guess)."""
    return Refusal(400, 103107, "There are no scheduled changes for this subscription.")
