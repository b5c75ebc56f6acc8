//! The names of the shop's export that the program speaks of, each once.

/// The services that take part in an order, by the names that events and options use.
pub(crate) const SERVICES: [&str; 7] = [ORDER, INVENTORY, PAYMENT, FRAUD_CHECK, EMAIL, SHIPPING, ANALYTICS];

/// Takes orders in from the queue `order-processing`.
pub(crate) const ORDER: &str = "order";
/// Reserves stock. Service and queue.
pub(crate) const INVENTORY: &str = "inventory";
/// Charges cards. Service and queue.
pub(crate) const PAYMENT: &str = "payment";
/// Answers whether an order is suspect. Service and queue.
pub(crate) const FRAUD_CHECK: &str = "fraud-check";
/// Mails customers. Service and queue.
pub(crate) const EMAIL: &str = "email";
/// Sends parcels. Service and queue.
pub(crate) const SHIPPING: &str = "shipping";
/// Counts. Service and queue.
pub(crate) const ANALYTICS: &str = "analytics";

/// The queue of the order service.
pub(crate) const ORDER_PROCESSING: &str = "order-processing";
/// Every event, for the account.
pub(crate) const AUDIT: &str = "audit";
/// Every event, for the journeys.
pub(crate) const FRAUD_CHECK_LOG: &str = "fraud-check-log";
/// What no binding of `events` takes. The log takes everything, so nothing should ever be here.
pub(crate) const UNROUTED: &str = "unrouted";
/// Orders of the dearest customers, most valuable first.
pub(crate) const VIP_ORDERS: &str = "vip-orders";
/// What customers are told by three ways.
pub(crate) const NOTIFIERS: [&str; 3] = ["email-service", "sms-service", "push-service"];

/// What happens in the shop: a topic exchange.
pub(crate) const EVENTS: &str = "events";
/// New orders as customers send them: a direct exchange.
pub(crate) const ORDERS: &str = "orders";
/// The key of a new order there.
pub(crate) const ORDER_CREATED: &str = "order.created";
/// Orders by region and tier: a headers exchange.
pub(crate) const BY_ATTRIBUTES: &str = "by-attributes";
/// The notifiers' exchange: a fanout.
pub(crate) const NOTIFICATIONS: &str = "notifications";

/// The dead-letter queues in which an *order* can end, in the order in which it passes them. A letter in one of these
/// decides its order's fate; if there are several, the first does.
pub(crate) const DECIDING: [&str; 5] =
    ["order-processing-dlq", "inventory.dlq", "payment.dlq", "shipping.dlq", "email.dlq"];

/// The dead-letter queues that hold copies of events and requests. They are counted, but decide nothing: the order
/// goes on without them.
pub(crate) const ASIDE: [&str; 3] = ["fraud-check.dlq", "analytics.dlq", "fraud-check-log.dlq"];
